package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// sampleToken is the token in the existing server's documentation. The page gives its secret as "x", but the real one
// is the secret in the configuration shipped with the server.
const sampleToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE2NTUxNDA2MzksImV4cCI6MTk3MDUwMDYzOSwibmJmIjoxNjU1MTQwNjM5LCJpc3MiOiJzdml4LXNlcnZlciIsInN1YiI6Im9yZ18yM3JiOFlkR3FNVDBxSXpwZ0d3ZFhmSGlyTXUifQ.USMuIPrqsZTSj3kyWupCzJO9eyQioBzh5alGlvRbrbA"

const sampleSecret = "8KjzRXrKkd9YFcNyqLSIY8JwiaCeRc6WK4UkMnSW"

const testSecret = "a secret that only these tests have"

var testNow = time.Date(2026, 1, 31, 9, 30, 0, 123_456_000, time.UTC)

// newAuthority returns an authority with one secret.
func newAuthority(tb testing.TB, secret string, clock func() time.Time) *Authority {
	tb.Helper()
	key, err := ParseKey("HS256", secret)
	if err != nil {
		tb.Fatal(err)
	}
	return New(Keys{key}, clock)
}

const sampleOrg = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

func TestTokensReadTheSample(t *testing.T) {
	t.Parallel()
	scope, err := newAuthority(t, sampleSecret, func() time.Time { return testNow }).Parse(sampleToken)
	if err != nil || scope.OrgID != sampleOrg || scope.AppID != "" {
		t.Errorf("scope = %+v, %v", scope, err)
	}
}

// claimsOf decodes a token's claims.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestTokensSayWhatTheSampleSays(t *testing.T) {
	t.Parallel()
	token, err := newAuthority(t, sampleSecret, func() time.Time { return time.Unix(1655140639, 0) }).Org(sampleOrg, 10*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := claimsOf(t, token), claimsOf(t, sampleToken); !reflect.DeepEqual(got, want) {
		t.Errorf("claims = %v, want %v", got, want)
	}
}

func TestTokensOfApplications(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	token, err := tokens.App(core.AppGrant{
		OrgID: "org_a", AppID: "app_1", FeatureFlags: []string{"beta", "new"}, SessionID: "user@1",
		Capabilities: []core.Capability{core.CapabilityViewBase}, IssuedAt: testNow, Lifetime: core.AppTokenLifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	now := float64(testNow.Unix())
	want := map[string]any{
		"iat": now, "exp": now + 28*24*60*60, "nbf": now, "iss": "svix-server",
		"sub": "app_1", "org": "org_a", "feature_flags": []any{"beta", "new"},
		"capabilities": []any{"ViewBase"}, "session_id": "user@1", "iat_us": 123456.0,
	}
	if got := claimsOf(t, token); !reflect.DeepEqual(got, want) {
		t.Errorf("claims = %v, want %v", got, want)
	}
	scope, err := tokens.Parse(token)
	if err != nil || scope.OrgID != "org_a" || scope.AppID != "app_1" || fmt.Sprint(scope.FeatureFlags, scope.Capabilities) != "[beta new] [ViewBase]" ||
		scope.SessionID != "user@1" || !scope.IssuedAt.Equal(testNow) || scope.ExpiresAt.Unix() != testNow.Add(core.AppTokenLifetime).Unix() {
		t.Errorf("token = %+v, %v", scope, err)
	}
}

func TestTokensAreMadeForIDsAlone(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, time.Now)
	for _, org := range []core.OrgID{"", "a", "app_1", "org_00000000000OperationalWebhook"} {
		if token, err := tokens.Org(org, core.OrgTokenLifetime); err == nil {
			t.Errorf("a token for the organisation %q: %s", org, token)
		}
		if token, err := tokens.App(core.AppGrant{OrgID: org, AppID: "app_1"}); err == nil {
			t.Errorf("a token for an application of %q: %s", org, token)
		}
	}
	if token, err := tokens.App(core.AppGrant{OrgID: "org_a", AppID: "one"}); err == nil {
		t.Errorf("a token for the application one: %s", token)
	}
}

// forge signs claims as we would, with any header.
func forge(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

const (
	hs256   = `{"alg":"HS256","typ":"JWT"}`
	goodOrg = `{"sub":"org_a"}`
)

func TestTokensParse(t *testing.T) {
	t.Parallel()
	const (
		unsignedByUs = "authentication_failed: Invalid token: it is not signed with the key of this service."
		unreadable   = "authentication_failed: Invalid token: it cannot be read as a JWT; check that it was copied whole."
		notOrg       = "bad_token: The token's claim `sub` is not a valid organisation id: it must begin with org_."
	)
	encode := base64.RawURLEncoding.EncodeToString
	unsigned := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(goodOrg)) + "."
	hs512 := encode([]byte(`{"alg":"HS512"}`)) + "." + encode([]byte(goodOrg))
	mac := hmac.New(sha512.New, []byte(testSecret))
	mac.Write([]byte(hs512))
	good := forge(hs256, goodOrg)

	tests := []struct{ name, token, want string }{
		{"good", good, ""},
		{"another header of the same meaning", forge(`{"typ":"JWT","alg":"HS256","kid":"1"}`, goodOrg), ""},
		{"an issuer of its own", forge(hs256, `{"sub":"org_a","iss":"somebody"}`), ""},
		{"a fraction of a second", forge(hs256, `{"sub":"org_a","exp":4102444800.5}`), ""},
		{"empty", "", unreadable},
		{"one part", "abc", unreadable},
		{"two parts", "abc.def", unreadable},
		{"four parts", good + ".abc", unreadable},
		{"no signature", good[:strings.LastIndexByte(good, '.')+1], unsignedByUs},
		{"algorithm none", unsigned, unsignedByUs},
		{"algorithm none, with our signature", forge(`{"alg":"none"}`, goodOrg), unsignedByUs},
		{"no algorithm", forge(`{}`, goodOrg), unsignedByUs},
		{"another algorithm", hs512 + "." + encode(mac.Sum(nil)), unsignedByUs},
		{"another algorithm, with our signature", forge(`{"alg":"RS256"}`, goodOrg), unsignedByUs},
		{"extensions we do not know", forge(`{"alg":"HS256","crit":["b64"]}`, goodOrg), unsignedByUs},
		{"header that is not JSON", forge(`HS256`, goodOrg), unreadable},
		{"claims that are not JSON", forge(hs256, `org_a`), unreadable},
		{"claims of the wrong type", forge(hs256, `{"sub":1}`), unreadable},
		{"another secret", sampleToken, unsignedByUs},
		{"other claims under the same signature", strings.Replace(good, encode([]byte(goodOrg)), encode([]byte(`{"sub":"org_b"}`)), 1), unsignedByUs},
		{"signature written another way", good + "=", unreadable},
		{"the secret itself", testSecret, "authentication_failed: JWT signing secrets cannot be used as tokens; make a token with postrider token."},
		{"no subject", forge(hs256, `{}`), "authentication_failed: Invalid token: the claim `sub` is missing."},
		{"no subject, but an organisation", forge(hs256, `{"org":"org_a"}`), "authentication_failed: Invalid token: the claim `sub` is missing."},
		{"no organisation", forge(hs256, `{"sub":"app_1"}`), notOrg},
		{"a NUL", forge(hs256, `{"sub":"org_\u0000"}`), notOrg},
		{"application of no organisation", forge(hs256, `{"sub":"app_1","org":"a"}`), "bad token: The token's claim `org` is not a valid organisation id: it must begin with org_."},
		{"organisation of an organisation", forge(hs256, `{"sub":"org_a","org":"org_a"}`), "bad token: The token's claim `sub` is not a valid application id: it must begin with app_."},
	}
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scope, err := tokens.Parse(test.token)
			if test.want == "" && (err != nil || scope.OrgID != "org_a") {
				t.Errorf("scope = %+v, %v; want org_a", scope, err)
			}
			if test.want != "" && (err == nil || err.Error() != test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

func TestTokensCountForATime(t *testing.T) {
	t.Parallel()
	const (
		expired = "authentication_failed: The token has expired; ask for a new one."
		early   = "authentication_failed: The token is not valid yet; check its nbf and iat, and the clock of whoever issued it."
	)
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	for name, test := range map[string]struct {
		claim string
		in    time.Duration
		want  string
	}{
		"just expired":            {"exp", -14 * time.Minute, ""},
		"expired":                 {"exp", -16 * time.Minute, expired},
		"of a clock that is fast": {"nbf", 14 * time.Minute, ""},
		"not yet valid":           {"nbf", 16 * time.Minute, early},
		"issued in the future":    {"iat", 16 * time.Minute, early},
	} {
		token := forge(hs256, fmt.Sprintf(`{"sub":"org_a",%q:%d}`, test.claim, testNow.Add(test.in).Unix()))
		if _, err := tokens.Parse(token); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestTokenRefusalsDoNotExplainForgeries checks that faults in claims are explained only if the signature is valid.
func TestTokenRefusalsDoNotExplainForgeries(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, "another secret of these very tests", func() time.Time { return testNow })
	_, err := tokens.Parse(forge(hs256, goodOrg))
	for _, claims := range []string{
		`{}`, `{"sub":"app_1"}`, fmt.Sprintf(`{"sub":"org_a","exp":%d}`, testNow.Add(-time.Hour).Unix()),
		fmt.Sprintf(`{"sub":"org_a","nbf":%d}`, testNow.Add(time.Hour).Unix()),
	} {
		if _, got := tokens.Parse(forge(hs256, claims)); err == nil || got == nil || got.Error() != err.Error() {
			t.Errorf("%s: %v, want %v", claims, got, err)
		}
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", " Bearer abc": "abc",
		"":                    "No token: send Authorization: Bearer",
		"  ":                  "No token: send Authorization: Bearer",
		"Bearer":              "No token after Bearer: send",
		"Bearer ":             "No token after Bearer: send",
		"Basic b3JnOng=":      "Basic authentication is not supported: send",
		"eyJhbGciOiJI.x.y":    "Bearer is missing: send",
		"Digest username=abc": "not Bearer: send",
	} {
		got, err := Bearer(header)
		if err != nil {
			got = err.Error()
		}
		if isPart := strings.Contains(got, want); !isPart || err == nil && got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
		if err != nil && (!core.IsKind(err, core.KindUnauthenticated) || strings.Contains(got, "b3JnOng") || strings.Contains(got, "eyJ")) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestATokenThatWasGoodExpires(t *testing.T) {
	t.Parallel()
	now := testNow
	tokens := newAuthority(t, testSecret, func() time.Time { return now })
	token := forge(hs256, fmt.Sprintf(`{"sub":"org_a","exp":%d}`, testNow.Unix()))
	for _, good := range []bool{true, true, false} {
		if !good {
			now = now.Add(time.Hour)
		}
		if _, err := tokens.Parse(token); (err == nil) != good {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

func TestTokensAreRememberedToABound(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, time.Now)
	for n := range verifiedMost + 10 {
		if _, err := tokens.Parse(forge(hs256, fmt.Sprintf(`{"sub":"org_%d"}`, n))); err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Parse(forge(hs256, "{}") + "x"); err == nil {
			t.Fatal("a bad token was taken")
		}
	}
	if n := len(tokens.verified); n > verifiedMost {
		t.Errorf("%d tokens are remembered", n)
	}
}

func TestTokensKindsOfErrors(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, time.Now)
	for claims, kind := range map[string]core.Kind{
		`{}`:                        core.KindUnauthenticated,
		`{"sub":"app_1"}`:           core.KindBadRequest,
		`{"sub":"app_1","org":"a"}`: core.KindBadRequest,
	} {
		if _, err := tokens.Parse(forge(hs256, claims)); !core.IsKind(err, kind) {
			t.Errorf("%s: %v, want kind %d", claims, err, kind)
		}
	}
}

func TestATokenOfTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	for ahead, good := range map[time.Duration]bool{0: true, 14 * time.Minute: true, 16 * time.Minute: false} {
		at := testNow.Add(ahead).Unix()
		if _, err := tokens.Parse(forge(hs256, fmt.Sprintf(`{"sub":"org_a","iat":%d}`, at))); (err == nil) != good {
			t.Errorf("issued in %s: %v", ahead, err)
		}
	}
}

func TestTokensOfSessionsMustEnd(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	at := testNow.Unix()
	for claims, good := range map[string]bool{
		fmt.Sprintf(`"session_id":"s","iat":%d,"exp":%d`, at, at+28*24*60*60):   true,
		fmt.Sprintf(`"session_id":"s","iat":%d,"exp":%d`, at, at+28*24*60*60+1): false,
		fmt.Sprintf(`"session_id":"s","exp":%d`, at+60):                         false,
		fmt.Sprintf(`"session_id":"s","iat":%d`, at):                            false,
		fmt.Sprintf(`"session_id":"\u0000","iat":%d,"exp":%d`, at, at+60):       false,
		`"session_id":"","iat":1`:                                               true,
		`"iat":1`:                                                               true,
	} {
		token, err := tokens.Parse(forge(hs256, `{"sub":"app_1","org":"org_a",`+claims+`}`))
		if good != (err == nil) || err != nil && !core.IsKind(err, core.KindUnauthenticated) {
			t.Errorf("%s: %+v, %v", claims, token, err)
		}
	}
}

func TestWhatATokenSaysOfCapabilities(t *testing.T) {
	t.Parallel()
	tokens := newAuthority(t, testSecret, func() time.Time { return testNow })
	for claims, want := range map[string][]core.Capability{
		`"iss":"x"`:           nil,
		`"capabilities":null`: nil,
		`"capabilities":[]`:   {},
		`"capabilities":["Everything","ViewBase"]`: {"Everything", core.CapabilityViewBase},
	} {
		token, err := tokens.Parse(forge(hs256, `{"sub":"app_1","org":"org_a",`+claims+`}`))
		if err != nil || !slices.Equal(token.Capabilities, want) || (token.Capabilities == nil) != (want == nil) {
			t.Errorf("%s: %#v, %v; want %#v", claims, token.Capabilities, err, want)
		}
	}
	if token, err := tokens.Parse(forge(hs256, `{"sub":"app_1","org":"org_a","capabilities":"ViewBase"}`)); err == nil {
		t.Errorf("capabilities that are no list: %+v", token)
	}
}
