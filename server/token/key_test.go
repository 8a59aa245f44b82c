package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postrider/postrider/core"
)

// testKeys holds key pairs in PEM. All tests share one set, because RSA keys are slow to generate.
type testKeys struct {
	rsa, rsaPKCS1, rsaPublic, rsaPublicPKCS1, rsaOther, rsaShort string
	ed, edPublic, edOther                                        string
	ec                                                           string
}

var keys = sync.OnceValue(func() (k testKeys) {
	must := func(der []byte, err error) []byte {
		if err != nil {
			panic(err)
		}
		return der
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) string { return encode("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }
	pkix := func(key any) string { return encode("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key))) }
	newRSA := func(bits int) *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		must(nil, err)
		return key
	}
	one := newRSA(2048)
	k.rsa, k.rsaPublic = pkcs8(one), pkix(&one.PublicKey)
	k.rsaPKCS1 = encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(one))
	k.rsaPublicPKCS1 = encode("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&one.PublicKey))
	k.rsaOther, k.rsaShort = pkcs8(newRSA(2048)), pkcs8(newRSA(1024))
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(nil, err)
	k.ed, k.edPublic = pkcs8(private), pkix(public)
	_, private, err = ed25519.GenerateKey(rand.Reader)
	must(nil, err)
	k.edOther = pkcs8(private)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(nil, err)
	k.ec = pkcs8(ec)
	return k
})

// tokensOf returns the authority of a key, which must be valid.
func tokensOf(t *testing.T, algorithm, text string) *Authority {
	t.Helper()
	key, err := ParseKey(algorithm, text)
	if err != nil {
		t.Fatalf("%s: %v", algorithm, err)
	}
	return New(Keys{key}, func() time.Time { return testNow })
}

// signings maps each algorithm to a key that signs, the key that verifies its signatures, and an unrelated key.
func signings() map[string][3]string {
	k := keys()
	return map[string][3]string{
		"HS256": {testSecret, testSecret, "another secret of these very tests"},
		"HS384": {testSecret, testSecret, "another secret of these very tests"},
		"HS512": {testSecret, testSecret, "another secret of these very tests"},
		"RS256": {k.rsa, k.rsaPublic, k.rsaOther},
		"RS384": {k.rsaPKCS1, k.rsaPublicPKCS1, k.rsaOther},
		"RS512": {strings.ReplaceAll(k.rsa, "\n", `\n`), strings.ReplaceAll(k.rsaPublic, "\n", `\n`), k.rsaOther},
		"EdDSA": {k.ed, k.edPublic, k.edOther},
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for algorithm, key := range signings() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			maker := tokensOf(t, algorithm, key[0])
			token, err := maker.Org("org_a", core.OrgTokenLifetime)
			if err != nil {
				t.Fatal(err)
			}
			for name, reader := range map[string]*Authority{"its own": maker, "what verifies": tokensOf(t, algorithm, key[1])} {
				if got, err := reader.Parse(token); err != nil || got.OrgID != "org_a" {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
			}
			refused := func(name string, reader *Authority, token string) {
				t.Helper()
				if got, err := reader.Parse(token); !core.IsKind(err, core.KindUnauthenticated) {
					t.Errorf("%s: %+v, %v; want it refused", name, got, err)
				}
			}
			refused("another key", tokensOf(t, algorithm, key[2]), token)
			refused("tampered", maker, token[:len(token)-9]+map[bool]string{true: "B", false: "A"}[token[len(token)-9] == 'A']+token[len(token)-8:])
			refused("no signature", maker, token[:strings.LastIndexByte(token, '.')+1])
			refused("crit", maker, maker.forged(t, map[string]any{"crit": []string{"b64"}}))
			unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims{}).SignedString(jwt.UnsafeAllowNoneSignatureType)
			if err != nil {
				t.Fatal(err)
			}
			refused("none", maker, unsigned)
			for other, otherKey := range signings() {
				if other != algorithm {
					refused("of "+other, maker, tokensOf(t, other, otherKey[0]).forged(t, nil))
					refused("of "+other+" that says it is not", maker, tokensOf(t, other, otherKey[0]).forged(t, map[string]any{"alg": algorithm}))
				}
			}
		})
	}
}

// forged returns a token that we could have issued, except for its header.
func (a *Authority) forged(tb testing.TB, header map[string]any) string {
	tb.Helper()
	token := jwt.NewWithClaims(a.key.method, claims{RegisteredClaims: jwt.RegisteredClaims{Subject: "org_a"}})
	maps.Copy(token.Header, header)
	text, err := token.SignedString(a.key.sign)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// TestAPublicKeyIsNoSecret signs with a public key as if it were a secret.
func TestAPublicKeyIsNoSecret(t *testing.T) {
	t.Parallel()
	for algorithm, public := range map[string]string{"RS256": keys().rsaPublic, "RS512": keys().rsaPublicPKCS1, "EdDSA": keys().edPublic} {
		reader := tokensOf(t, algorithm, public)
		for _, method := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			for _, says := range []string{method.Alg(), algorithm} {
				token := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "org_a"})
				token.Header["alg"] = says
				text, err := token.SignedString([]byte(public))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := reader.Parse(text); !core.IsKind(err, core.KindUnauthenticated) {
					t.Errorf("%s: signed by %s that says %s: %+v, %v", algorithm, method.Alg(), says, got, err)
				}
			}
		}
	}
}

func TestAPublicKeyMakesNoTokens(t *testing.T) {
	t.Parallel()
	tokens := tokensOf(t, "EdDSA", keys().edPublic)
	if token, err := tokens.Org("org_a", core.OrgTokenLifetime); !core.IsKind(err, core.KindBadRequest) {
		t.Errorf("%q, %v", token, err)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	k := keys()
	broken := strings.Replace(k.rsa, "\nMII", "\nMIJ", 1)
	for name, test := range map[string]struct{ algorithm, text, want string }{
		"no secret":              {"HS256", "", "is empty"},
		"a PEM for a secret":     {"HS256", k.rsaPublic, "holds a PEM, and HS256 takes a secret"},
		"one line of it":         {"HS512", strings.ReplaceAll(k.edPublic, "\n", `\n`), "holds a PEM, and HS512 takes a secret"},
		"a short secret":         {"HS256", testSecret[:31], "has 31 bytes, and HS256 takes at least 32"},
		"a short one for HS512":  {"HS512", testSecret[:31], "has 31 bytes, and HS512 takes at least 32"},
		"a secret for a PEM":     {"RS256", testSecret, "holds no PEM"},
		"nothing for a PEM":      {"EdDSA", "", "holds no PEM"},
		"Ed25519 for RSA":        {"RS256", k.ed, "not of RS256"},
		"public Ed25519 for RSA": {"RS256", k.edPublic, "not of RS256"},
		"RSA for Ed25519":        {"EdDSA", k.rsa, "not of EdDSA"},
		"another curve":          {"EdDSA", k.ec, "not of EdDSA"},
		"another curve for RSA":  {"RS256", k.ec, "not of RS256"},
		"too short":              {"RS256", k.rsaShort, "1024 bits"},
		"damaged":                {"RS256", broken, "cannot be read"},
		"encrypted":              {"RS256", strings.ReplaceAll(k.rsa, "PRIVATE", "ENCRYPTED PRIVATE"), "passphrase"},
		"a certificate":          {"RS256", strings.ReplaceAll(k.rsaPublic, "PUBLIC KEY", "CERTIFICATE"), "neither"},
		"unknown algorithm":      {"none", testSecret, "must be HS256"},
		"its case":               {"hs256", testSecret, "must be HS256"},
		"no algorithm":           {"", testSecret, "must be HS256"},
		"ES256":                  {"ES256", k.ec, "must be HS256"},
	} {
		key, err := ParseKey(test.algorithm, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if test.text != "" && err != nil && len(test.text) > 40 && strings.Contains(err.Error(), test.text[30:40]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
		if key.method != nil && err != nil && key.verify != nil {
			t.Errorf("%s: a key beside the error", name)
		}
	}
}

func TestThePrivateKeyWinsWhereThereAreBoth(t *testing.T) {
	t.Parallel()
	for _, text := range []string{keys().edPublic + keys().ed, keys().ed + keys().edPublic} {
		if key, err := ParseKey("EdDSA", text); err != nil || !key.CanSign() {
			t.Errorf("can sign: %t, %v", key.CanSign(), err)
		}
	}
}

func TestKeysPrintAsNothing(t *testing.T) {
	t.Parallel()
	key, err := ParseKey("HS256", testSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, key); text != "[key]" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestTheSecretItselfIsNoToken(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
		_, err := tokensOf(t, algorithm, testSecret).Parse(testSecret)
		if err == nil || !strings.Contains(err.Error(), "signing secrets cannot be used as tokens") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}
