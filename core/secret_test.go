package core

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"
)

const (
	vectorPrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	vectorPublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

// written returns the secret as clients write it.
func (s Secret) written() string {
	if s.signs == SignatureEd25519 {
		return privatePrefix + base64.StdEncoding.EncodeToString(s.key)
	}
	return s.Text()
}

func TestSignKnownVectors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		vectorPrivate:                            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
	} {
		s, err := ParseSecret(text, "secret")
		if err != nil {
			t.Fatal(err)
		}
		got := s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
		if got != want {
			t.Errorf("signed %s, want %s", got, want)
		}
	}
}

func TestStandardWebhooksSignsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := HMACSecret(rapid.SliceOfN(rapid.Byte(), secretBytesMin, secretBytesMax).Draw(t, "key"))
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		at := time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), 0)
		theirs, err := standardwebhooks.NewWebhook(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.Sign("msg_1", at, payload)
		if got := s.Sign("msg_1", at, string(payload)); err != nil || got != want {
			t.Fatalf("signed %s, the library %s, %v", got, want, err)
		}
	})
}

func TestThePublicKeyVerifiesEd25519(t *testing.T) {
	t.Parallel()
	s := SignatureEd25519.NewSecret()
	signature, ok := strings.CutPrefix(s.Sign("msg_1", time.Unix(1, 0), "payload"), "v1a,")
	decoded, err := base64.StdEncoding.DecodeString(signature)
	if !ok || err != nil {
		t.Fatalf("signed %s, %v", signature, err)
	}
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Text(), "whpk_"))
	if err != nil || len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, []byte("msg_1.1.payload"), decoded) {
		t.Errorf("%s does not verify %s, %v", s.Text(), signature, err)
	}
	if ed25519.Verify(public, []byte("msg_1.1.payloaD"), decoded) {
		t.Error("it verifies anything")
	}
}

func TestTheGeneratedSecretIsOfTheTypeAskedFor(t *testing.T) {
	t.Parallel()
	for signs, prefix := range map[SignatureType]string{"": "whsec_", SignatureHMAC256: "whsec_", SignatureEd25519: "whpk_"} {
		if one, other := signs.NewSecret(), signs.NewSecret(); !strings.HasPrefix(one.Text(), prefix) || one.Text() == other.Text() {
			t.Errorf("%q makes %s and %s", signs, one.Text(), other.Text())
		}
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	made, private := NewSecret(), SignatureEd25519.NewSecret().written()
	for text, ok := range map[string]bool{
		made.Text(): true,
		strings.TrimPrefix(made.Text(), "whsec_"): true,
		"whsec_":                                   false,
		"whsec_!!!!":                               false,
		"whsec_" + strings.Repeat("AAAA", 7):       false, // 21 bytes
		"whsec_" + strings.Repeat("AAAA", 8):       true,  // 24
		"whsec_" + strings.Repeat("AAAA", 25):      true,  // 75
		"whsec_" + strings.Repeat("AAAA", 26):      false, // 78
		private:                                    true,
		vectorPrivate:                              true,
		vectorPublic:                               false,
		"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4": false, // half a key
		"whsk_" + strings.Repeat("AAAA", 25):       false,
		"whsk_" + made.Text():                      false,
		"whsk_":                                    false,
		"whsk_" + strings.Repeat("!", 88):          false,
		private[:len("whsk_")+43] + vectorPrivate[len("whsk_")+43:]: false, // the public half of another key
	} {
		s, err := ParseSecret(text, "secret")
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && !strings.HasSuffix(s.written(), strings.TrimPrefix(text, "whsec_")) {
			t.Errorf("%s became %s", text, s.written())
		}
		if err != nil && len(text) > 10 && strings.Contains(err.Error(), text[6:]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	if s, err := ParseSecret(vectorPrivate, "secret"); err != nil || s.Text() != vectorPublic {
		t.Errorf("the public key is %s, %v", s.Text(), err)
	}
}

func TestHalvesOfTwoKeysAreToldApart(t *testing.T) {
	t.Parallel()
	one, other := SignatureEd25519.NewSecret(), SignatureEd25519.NewSecret()
	mixed := append(bytes.Clone(one.key[:32]), other.key[32:]...)
	_, err := ParseSecret("whsk_"+base64.StdEncoding.EncodeToString(mixed), "key")
	if !IsKind(err, KindInvalid) || !strings.Contains(err.Error(), "must be the public key of the seed") {
		t.Errorf("%v", err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	private, ok := Ed25519Secret([]byte(strings.Repeat("abcdefgh", 8)))
	if !ok {
		t.Fatal("a private key has 64 bytes")
	}
	for _, s := range []Secret{HMACSecret([]byte("abcdefghijklmnopqrstuvwx")), private} {
		e := Endpoint{Secret: s, OldSecrets: []Secret{s}}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("text", "secret", s, "endpoint", e)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("json", "secret", s, "endpoint", e)
		for _, printed := range []string{
			fmt.Sprint(e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%s %v %x %q", s, s, s, s), string(text), logged.String(),
		} {
			if strings.Contains(printed, "abcdef") || strings.Contains(printed, "97 98 99") || strings.Contains(printed, "YWJj") ||
				strings.Contains(printed, "616263") || strings.Contains(printed, "0x61, 0x62") {
				t.Errorf("printed %s", printed)
			}
		}
	}
}
