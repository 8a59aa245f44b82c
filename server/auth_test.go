package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// sampleToken is the one in the existing server's documentation. The page gives its secret as "x"; it
// is the one of the configuration that comes with the server.
const sampleToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE2NTUxNDA2MzksImV4cCI6MTk3MDUwMDYzOSwibmJmIjoxNjU1MTQwNjM5LCJpc3MiOiJzdml4LXNlcnZlciIsInN1YiI6Im9yZ18yM3JiOFlkR3FNVDBxSXpwZ0d3ZFhmSGlyTXUifQ.USMuIPrqsZTSj3kyWupCzJO9eyQioBzh5alGlvRbrbA"

const sampleSecret = "8KjzRXrKkd9YFcNyqLSIY8JwiaCeRc6WK4UkMnSW"

const sampleOrg = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

func TestTokensReadTheSample(t *testing.T) {
	t.Parallel()
	scope, err := newTokens(t, sampleSecret, func() time.Time { return testNow }).Parse(sampleToken)
	if err != nil || scope.OrgID != sampleOrg || scope.AppID != "" {
		t.Errorf("scope = %+v, %v", scope, err)
	}
}

// claimsOf decodes what a token says.
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
	token, err := newTokens(t, sampleSecret, func() time.Time { return time.Unix(1655140639, 0) }).Org(sampleOrg, 10*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := claimsOf(t, token), claimsOf(t, sampleToken); !reflect.DeepEqual(got, want) {
		t.Errorf("claims = %v, want %v", got, want)
	}
}

func TestTokensOfApplications(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, testSecret, func() time.Time { return testNow })
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
	tokens := newTokens(t, testSecret, time.Now)
	for _, org := range []core.OrgID{"", "a", "app_1", operationalOrg} {
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

// forge signs claims as we would, under any header.
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
	const invalid, notOrg = "authentication_failed: Invalid token", "bad_token: `sub` is not a valid organization id."
	at := func(name string, offset time.Duration) string {
		return forge(hs256, fmt.Sprintf(`{"sub":"org_a","%s":%d}`, name, testNow.Add(offset).Unix()))
	}
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
		{"just expired", at("exp", -14*time.Minute), ""},
		{"expired", at("exp", -16*time.Minute), invalid},
		{"of a clock that is ahead", at("nbf", 14*time.Minute), ""},
		{"not yet good", at("nbf", 16*time.Minute), invalid},
		{"empty", "", invalid},
		{"one part", "abc", invalid},
		{"two parts", "abc.def", invalid},
		{"four parts", good + ".abc", invalid},
		{"no signature", good[:strings.LastIndexByte(good, '.')+1], invalid},
		{"algorithm none", unsigned, invalid},
		{"algorithm none, with our signature", forge(`{"alg":"none"}`, goodOrg), invalid},
		{"no algorithm", forge(`{}`, goodOrg), invalid},
		{"another algorithm", hs512 + "." + encode(mac.Sum(nil)), invalid},
		{"another algorithm, with our signature", forge(`{"alg":"RS256"}`, goodOrg), invalid},
		{"extensions we do not know", forge(`{"alg":"HS256","crit":["b64"]}`, goodOrg), invalid},
		{"header that is not JSON", forge(`HS256`, goodOrg), invalid},
		{"claims that are not JSON", forge(hs256, `org_a`), invalid},
		{"claims of the wrong type", forge(hs256, `{"sub":1}`), invalid},
		{"another secret", sampleToken, invalid},
		{"other claims under the same signature", strings.Replace(good, encode([]byte(goodOrg)), encode([]byte(`{"sub":"org_b"}`)), 1), invalid},
		{"signature written another way", good + "=", invalid},
		{"the secret itself", testSecret, "authentication_failed: Authentication failed. JWT signing secrets can not be used as tokens, " +
			"please refer to https://github.com/svix/svix-webhooks#authentication for more information."},
		{"no subject", forge(hs256, `{}`), "authentication_failed: Invalid token (missing `sub`)."},
		{"no subject, but an organisation", forge(hs256, `{"org":"org_a"}`), "authentication_failed: Invalid token (missing `sub`)."},
		{"no organisation", forge(hs256, `{"sub":"app_1"}`), notOrg},
		{"a NUL", forge(hs256, `{"sub":"org_\u0000"}`), notOrg},
		{"application of no organisation", forge(hs256, `{"sub":"app_1","org":"a"}`), "bad token: `org` is not a valid organization id"},
		{"organisation of an organisation", forge(hs256, `{"sub":"org_a","org":"org_a"}`), "bad token: `sub` is not a valid application id"},
	}
	tokens := newTokens(t, testSecret, func() time.Time { return testNow })
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

// TestTokensAreNotForTheReservedOrganisation: who had one could read everybody's operational-webhook
// endpoints.
func TestTokensAreNotForTheReservedOrganisation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for claims, want := range map[string]string{
		`{"sub":"` + operationalOrg + `"}`:                                   `{"code":"bad_token","detail":"` + "`sub` is not a valid organization id." + `"}`,
		`{"sub":"` + string(f.ids.app) + `","org":"` + operationalOrg + `"}`: `{"code":"bad token","detail":"` + "`org` is not a valid organization id" + `"}`,
	} {
		for _, path := range []string{"/app", "/app/org_a/endpoint", "/operational-webhook/endpoint"} {
			wantStatus(t, f.send("GET", "/api/v1"+path, "", "Authorization: Bearer "+forge(hs256, claims)), 400, want)
		}
	}
}

func TestATokenThatWasGoodExpires(t *testing.T) {
	t.Parallel()
	now := testNow
	tokens := newTokens(t, testSecret, func() time.Time { return now })
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
	tokens := newTokens(t, testSecret, time.Now)
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
	tokens := newTokens(t, testSecret, time.Now)
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

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	good := forge(hs256, goodOrg)
	const missing = `{"code":"authentication_failed","detail":"Incorrect authentication credentials."}`
	for _, test := range []struct {
		name, header string
		status       int
		want         string
	}{
		{"good", "Authorization: Bearer " + good, 200, `"data"`},
		{"scheme in lower case", "Authorization: bearer " + good, 200, `"data"`},
		{"more spaces", "Authorization: Bearer   " + good + " ", 200, `"data"`},
		{"none", "X-Other: 1", 401, missing},
		{"empty", "Authorization: ", 401, missing},
		{"no token", "Authorization: Bearer ", 401, missing},
		{"no scheme", "Authorization: " + good, 401, missing},
		{"another scheme", "Authorization: Basic b3JnOng=", 401, missing},
		{"a bad token", "Authorization: Bearer abc", 401, `{"code":"authentication_failed","detail":"Invalid token"}`},
		{"a token of nobody", "Authorization: Bearer " + forge(hs256, `{"sub":"x"}`), 400, `"code":"bad_token"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t).send("GET", "/api/v1/app", "", test.header)
			wantStatus(t, w, test.status, test.want)
			if got, want := w.Header().Get("WWW-Authenticate"), map[bool]string{true: "Bearer"}[w.Code == 401]; got != want {
				t.Errorf("WWW-Authenticate = %q, want %q", got, want)
			}
		})
	}
}

func TestWhatNeedsNoToken(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/": 307, "/docs": 200, "/api/v1/openapi.json": 200, "/api/v1/health": 200, "/api/v1/health/ping": 204,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			wantStatus(t, newFixture(t).send(method, path, ""), status)
		}
	}
}

func TestFeatureFlagsOfATokenReachTheStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(t, "one", "beta")
	wantStatus(t, f.send("GET", "/api/v1/event-type?include_archived=true", "", "Authorization: Bearer "+token), 200)
	if got, want := fmt.Sprintf("%+v", f.store.filter), "{Archived:true AllFlags:false Flags:[beta]}"; got != want {
		t.Errorf("filter = %s, want %s", got, want)
	}
	wantStatus(t, f.send("GET", "/api/v1/event-type/b.secret", "", "Authorization: Bearer "+token), 200)
	wantStatus(t, f.send("GET", "/api/v1/event-type/b.secret", "", "Authorization: Bearer "+f.token(t, "one")), 404)
}
