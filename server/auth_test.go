package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
)

// TestTokensAreNotForTheReservedOrganisation checks that a token for this organisation is rejected. Anyone with such a
// token could read all customers' operational-webhook endpoints.
func TestTokensAreNotForTheReservedOrganisation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for claims, want := range map[string]string{
		`{"sub":"` + operationalOrg + `"}`:                                   `{"code":"bad_token","detail":"The token's claim ` + "`sub`" + ` is not a valid organisation id: it must begin with org_."}`,
		`{"sub":"` + string(f.ids.app) + `","org":"` + operationalOrg + `"}`: `{"code":"bad token","detail":"The token's claim ` + "`org`" + ` is not a valid organisation id: it must begin with org_."}`,
	} {
		for _, path := range []string{"/app", "/app/org_a/endpoint", "/operational-webhook/endpoint"} {
			wantStatus(t, f.send("GET", "/api/v1"+path, "", "Authorization: Bearer "+forge(claims)), 400, want)
		}
	}
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	good := forge(goodOrg)
	missing := func(what string) string {
		return `{"code":"authentication_failed","detail":"` + what + `: send Authorization: Bearer, a space and the token."}`
	}
	const scheme = "The Authorization header has no scheme; Bearer is missing"
	for _, test := range []struct {
		name, header string
		status       int
		want         string
	}{
		{"good", "Authorization: Bearer " + good, 200, `"data"`},
		{"scheme in lower case", "Authorization: bearer " + good, 200, `"data"`},
		{"more spaces", "Authorization: Bearer   " + good + " ", 200, `"data"`},
		{"none", "X-Other: 1", 401, missing("No token")},
		{"empty", "Authorization: ", 401, missing("No token")},
		{"no token", "Authorization: Bearer ", 401, missing("No token after Bearer")},
		{"no scheme", "Authorization: " + good, 401, missing(scheme)},
		{"another scheme", "Authorization: Basic b3JnOng=", 401, missing("Basic authentication is not supported")},
		{"a bad token", "Authorization: Bearer abc", 401, `"detail":"Invalid token: it cannot be read as a JWT; check that it was copied whole."`},
		{"a token of nobody", "Authorization: Bearer " + forge(`{"sub":"x"}`), 400, `"code":"bad_token"`},
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

// keyPair returns the authority of a new private key, and the authority of its public key.
func keyPair(t *testing.T) (signing, verifying *token.Authority) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(kind string, der []byte, err error) *token.Authority {
		if err != nil {
			t.Fatal(err)
		}
		key, err := token.ParseKey("EdDSA", string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		if err != nil {
			t.Fatal(err)
		}
		return token.New(token.Keys{key}, func() time.Time { return testNow })
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	signing = parse("PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(public)
	return signing, parse("PUBLIC KEY", der, err)
}

func TestAppPortalAccessNeedsASigningKey(t *testing.T) {
	t.Parallel()
	signer, tokens := keyPair(t)
	bearer, err := signer.Org("org_a", core.OrgTokenLifetime)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(p *parts) { p.Tokens, p.maker = tokens, tokens })
	before := len(f.store.apps)
	for _, request := range [][2]string{
		{"/api/v1/auth/app-portal-access/one", `{}`},
		{"/api/v1/auth/app-portal-access/new", `{"application":{"name":"N","uid":"new"}}`},
		{"/api/v1/auth/dashboard-access/one", ``},
	} {
		wantStatus(t, f.send("POST", request[0], request[1], "Authorization: Bearer "+bearer), 400, `"code":"no_signing_key"`)
	}
	if len(f.store.apps) != before {
		t.Error("an application was made for a token that was not")
	}
	wantStatus(t, f.send("GET", "/api/v1/app", "", "Authorization: Bearer "+bearer), 200)
}
