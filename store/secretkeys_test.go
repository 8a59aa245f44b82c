package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
)

// newKeys creates keys from texts, one key of 32 times each letter.
func newKeys(tb testing.TB, letters string) SecretKeys {
	tb.Helper()
	keys, err := ParseSecretKeys(keysText(letters))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func keysText(letters string) string {
	var texts []string
	for letter := range strings.SplitSeq(letters, "") {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))))
	}
	return strings.Join(texts, ",")
}

func (k SecretKeys) hex() string { return fmt.Sprintf("%x", k[0].fingerprint) }

func TestSecretKeysAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "  ": "", keysText("a"): "", keysText("ab"): "", " " + keysText("a") + " , " + keysText("b") + "\n": "",
		keysText("aa"): "key 2 is there twice", keysText("a") + ",": "key 2 is not the base64 of 32 bytes",
		",": "key 1 is not the base64 of 32 bytes", keysText("a") + ",c2hvcnQ=": "key 2 is not the base64 of 32 bytes",
		"not base64": "key 1 is not the base64 of 32 bytes", keysText("a")[1:]: "key 1 is not the base64 of 32 bytes",
	} {
		_, err := ParseSecretKeys(text)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if printed := fmt.Sprintf("%v %+v", newKeys(t, "ab"), newKeys(t, "ab")); strings.Contains(printed, "97 97 97") || strings.Contains(printed, "aaaaaaaa") {
		t.Errorf("printed %s", printed)
	}
}

// drawSecret draws any key that a client could choose and more, including keys that look marked or sealed.
func drawSecret(t *rapid.T, keys SecretKeys) core.Secret {
	key := rapid.SliceOfN(rapid.Byte(), 0, 160).Draw(t, "key")
	switch rapid.SampledFrom([]string{"hmac", "ed25519", "mark", "sealed", "its own like"}).Draw(t, "kind") {
	case "ed25519":
		if s, ok := core.Ed25519Secret(append(key, make([]byte, 64)...)[:64]); ok {
			return s
		}
	case "mark":
		key = append([]byte(secretMark), key...)
	case "sealed":
		key = append(keys[0].sealed(), key...)
	case "its own like":
		key = keys.seal(core.HMACSecret(key), "app_1", "ep_1")
	}
	return core.HMACSecret(key)
}

func sameSecret(a, b core.Secret) bool {
	aSigns, aKey := a.Key()
	bSigns, bKey := b.Key()
	return aSigns == bSigns && bytes.Equal(aKey, bKey)
}

func TestAnySecretIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	both, none := newKeys(t, "ab"), SecretKeys{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSecret(t, both)
		for name, keys := range map[string]SecretKeys{"plain": none, "sealed": both, "sealed under the second": both[1:]} {
			stored := keys.seal(s, "app_1", "ep_1")
			if got, err := both.open(stored, "app_1", "ep_1"); err != nil || !sameSecret(got, s) {
				t.Fatalf("%s: %x became %x, %v", name, stored, got.Text(), err)
			}
			signs, key := s.Key()
			if len(keys) == 0 && signs == core.SignatureHMAC256 && len(key) <= plainBytesMax {
				if !bytes.Equal(stored, key) {
					t.Fatalf("a plain HMAC key is stored as %x, which earlier releases cannot read", stored)
				}
			} else if len(stored) <= plainBytesMax || !bytes.HasPrefix(stored, []byte(secretMark)) {
				t.Fatalf("%s: %x could be an HMAC key", name, stored)
			}
		}
	})
}

func TestWhatIsSealedOpensInItsPlaceAlone(t *testing.T) {
	t.Parallel()
	a, b, s := newKeys(t, "a"), newKeys(t, "b"), core.NewSecret()
	stored := a.seal(s, "app_1", "ep_1")
	if again := a.seal(s, "app_1", "ep_1"); bytes.Equal(again, stored) {
		t.Error("the same nonce twice")
	}
	for name, c := range map[string]struct {
		keys     SecretKeys
		app      core.AppID
		endpoint core.EndpointID
		stored   []byte
		want     string
	}{
		"another endpoint":    {a, "app_1", "ep_2", stored, "is another endpoint's"},
		"another application": {a, "app_2", "ep_1", stored, "is another endpoint's"},
		"ids that join alike": {a, "app_1e", "p_1", stored, "is another endpoint's"},
		"no key":              {nil, "app_1", "ep_1", stored, "key " + a.hex() + ", which is not among those"},
		"another key":         {b, "app_1", "ep_1", stored, "key " + a.hex() + ", which is not among those"},
		"changed":             {a, "app_1", "ep_1", append(bytes.Clone(stored[:len(stored)-1]), stored[len(stored)-1]^1), "does not open"},
		"cut off":             {a, "app_1", "ep_1", append(a[0].sealed(), make([]byte, 40)...)[:plainBytesMax+1], "does not open"},
		"nothing but a mark":  {a, "app_1", "ep_1", append(marked('x', 0), make([]byte, 60)...), "no secret of kind 'x'"},
		"no mark":             {a, "app_1", "ep_1", make([]byte, plainBytesMax+1), "no secret"},
	} {
		got, err := c.keys.open(c.stored, c.app, c.endpoint)
		if err == nil || !strings.Contains(err.Error(), c.want) || !got.IsZero() {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestResealingChangesWhatIsNotUnderTheFirstKey(t *testing.T) {
	t.Parallel()
	a, ba, c := newKeys(t, "a"), newKeys(t, "ba"), newKeys(t, "c")
	for _, s := range []core.Secret{core.NewSecret(), core.SignatureEd25519.NewSecret(), core.HMACSecret(ba[0].sealed())} {
		for name, stored := range map[string][]byte{
			"plain": SecretKeys{}.seal(s, "app_1", "ep_1"), "old": a.seal(s, "app_1", "ep_1"),
			"new": ba.seal(s, "app_1", "ep_1"), "unknown": c.seal(s, "app_1", "ep_1"),
		} {
			again := ba.reseal(stored, "app_1", "ep_1")
			got, err := ba[:1].open(again, "app_1", "ep_1")
			switch stays := bytes.Equal(again, stored); name {
			case "new":
				if !stays {
					t.Error("what is under the first key was changed")
				}
			case "unknown":
				if !stays {
					t.Error("what cannot be opened was changed")
				}
			default:
				if stays || err != nil || !sameSecret(got, s) {
					t.Errorf("%s: changed %t, %v", name, !stays, err)
				}
			}
		}
	}
}

// BenchmarkOpenAndSign measures the cost of an endpoint's secret for one delivery.
func BenchmarkOpenAndSign(b *testing.B) {
	keys, payload := newKeys(b, "a"), bytes.Repeat([]byte("x"), 1000)
	hmac, asymmetric := core.NewSecret(), core.SignatureEd25519.NewSecret()
	at := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name   string
		stored []byte
	}{
		{"hmac-plain", SecretKeys{}.seal(hmac, "app_1", "ep_1")}, {"hmac-sealed", keys.seal(hmac, "app_1", "ep_1")},
		{"ed25519-plain", SecretKeys{}.seal(asymmetric, "app_1", "ep_1")}, {"ed25519-sealed", keys.seal(asymmetric, "app_1", "ep_1")},
	} {
		for _, signs := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/sign=%t", c.name, signs), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					opened, err := keys.openCredentials(columns{secret: c.stored}, "app_1", "ep_1")
					if err != nil {
						b.Fatal(err)
					}
					if signs {
						opened.secret.Sign("msg_1", at, string(payload))
					}
				}
			})
		}
	}
}
