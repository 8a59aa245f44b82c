package core

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"
)

func TestSignKnownVector(t *testing.T) {
	t.Parallel()
	s, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret")
	if err != nil {
		t.Fatal(err)
	}
	got := s.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestStandardWebhooksSignsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Secret(rapid.SliceOfN(rapid.Byte(), secretBytesMin, secretBytesMax).Draw(t, "key"))
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		at := time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "seconds"), 0)
		theirs, err := standardwebhooks.NewWebhook(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.Sign("msg_1", at, payload)
		if got := s.Sign("msg_1", at, payload); err != nil || got != want {
			t.Fatalf("signed %s, the library %s, %v", got, want, err)
		}
	})
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	made := NewSecret()
	for text, ok := range map[string]bool{
		made.Text(): true,
		strings.TrimPrefix(made.Text(), "whsec_"): true,
		"whsec_":                                   false,
		"whsec_!!!!":                               false,
		"whsec_" + strings.Repeat("AAAA", 7):       false, // 21 bytes
		"whsec_" + strings.Repeat("AAAA", 8):       true,  // 24
		"whsec_" + strings.Repeat("AAAA", 25):      true,  // 75
		"whsec_" + strings.Repeat("AAAA", 26):      false, // 78
		"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4": false,
	} {
		s, err := ParseSecret(text, "secret")
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && !strings.HasSuffix(s.Text(), strings.TrimPrefix(text, "whsec_")) {
			t.Errorf("%s became %s", text, s.Text())
		}
		if err != nil && len(text) > 10 && strings.Contains(err.Error(), text[6:]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	e := Endpoint{Secret: Secret("abcdefghijklmnopqrstuvwx")}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprintf("%s %v", e.Secret, e.Secret), string(text),
	} {
		if strings.Contains(printed, "abcdef") || strings.Contains(printed, "97 98 99") || strings.Contains(printed, "YWJj") {
			t.Errorf("printed %s", printed)
		}
	}
}
