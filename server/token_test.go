package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/delivery"
)

// access requests a token for the application one.
func (f *fixture) access(t *testing.T, body string) string {
	t.Helper()
	w := f.ask(t, "POST", "/api/v1/auth/app-portal-access/one", body)
	wantStatus(t, w, 200)
	var out AppPortalAccessOut
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Token
}

// reads returns the status of a read with a token.
func (f *fixture) reads(token string) int {
	return f.send("GET", "/api/v1/app/one", "", "Authorization: Bearer "+token).Code
}

func TestATokenForACustomerSaysWhatWasAsked(t *testing.T) {
	t.Parallel()
	const all, day = "<nil>", 24 * 60 * 60
	for body, want := range map[string]string{
		`{}`:              fmt.Sprint(all, " <nil> <nil> ", 7*day),
		`{"expiry":3600}`: fmt.Sprint(all, " <nil> <nil> ", 3600),
		`{"featureFlags":["a","b","a"],"sessionId":"s"}`: fmt.Sprint(all, " [a b] s ", 7*day),
		`{"capabilities":["ViewBase","CreateAttempts"]}`: fmt.Sprint("[ViewBase CreateAttempts] <nil> <nil> ", 7*day),
		`{"readOnly":true}`:  fmt.Sprint("[ViewBase] <nil> <nil> ", 7*day),
		`{"readOnly":false}`: fmt.Sprint(all, " <nil> <nil> ", 7*day),
		`{"readOnly":true,"capabilities":["ViewBase","ManageEndpoint","ManageEndpointSecret"]}`:          fmt.Sprint("[ViewBase] <nil> <nil> ", 7*day),
		`{"readOnly":true,"capabilities":["CreateAttempts","ViewEndpointSecret","ViewBase"],"expiry":0}`: "",
		`{"readOnly":true,"capabilities":["CreateAttempts","ViewEndpointSecret","ViewBase"]}`:            fmt.Sprint("[ViewBase ViewEndpointSecret] <nil> <nil> ", 7*day),
	} {
		f := newFixture(t)
		if want == "" {
			wantStatus(t, f.ask(t, "POST", "/api/v1/auth/app-portal-access/one", body), 422)
			continue
		}
		c := claimsOf(t, f.access(t, body))
		got := fmt.Sprint(c["capabilities"], " ", c["feature_flags"], " ", c["session_id"], " ", int(c["exp"].(float64)-c["iat"].(float64)))
		if got != want || c["org"] != "org_a" || c["sub"] != string(f.ids.app) {
			t.Errorf("%s: %s, want %s; %v", body, got, want, c)
		}
	}
}

func TestATokenEnds(t *testing.T) {
	t.Parallel()
	now := testNow
	f := newFixture(t)
	clock := func() time.Time { return now }
	f.tokens = newTokens(t, clock)
	f.Handler = New(Config{
		Service: core.NewService(f.store, inserter{f.store}, f.tokens, clock, core.EndpointRules{DomainToASCII: delivery.DomainToASCII}),
		Tokens:  f.tokens, Log: slog.New(f.logged),
	})
	expire := func(body string) {
		t.Helper()
		wantStatus(t, f.ask(t, "POST", "/api/v1/auth/app/one/expire-all", body), 204)
	}
	want := func(status int, tokens ...string) {
		t.Helper()
		for i, token := range tokens {
			if got := f.reads(token); got != status {
				t.Errorf("token %d: %d, want %d", i, got, status)
			}
		}
	}
	plain, again, session := f.access(t, `{}`), f.access(t, `{"expiry":3600}`), f.access(t, `{"sessionId":"s"}`)
	org, neighbour := f.token(t, "org_a"), f.token(t, "two")
	want(200, plain, again, session, org)

	wantStatus(t, f.send("POST", "/api/v1/auth/logout", "", "Authorization: Bearer "+plain), 204)
	want(401, plain)
	want(200, again, session, org)
	wantStatus(t, f.send("POST", "/api/v1/auth/logout", "", "Authorization: Bearer "+plain), 401)
	wantStatus(t, f.send("POST", "/api/v1/auth/logout", "", "Authorization: Bearer "+org), 400, `"code":"not_revocable"`)

	now = now.Add(time.Microsecond)
	expire(`{"sessionIds":["s","other"]}`)
	want(401, session)
	want(200, again, org)

	expire(`{"expiry":60}`)
	later := f.access(t, `{"sessionId":"s"}`) // in the same microsecond
	want(200, again, later)
	now = now.Add(time.Minute)
	want(401, again)
	want(200, later, org)
	wantStatus(t, f.send("GET", "/api/v1/app/two", "", "Authorization: Bearer "+neighbour), 200)
}

func TestForeignTokensOfTheSameSecondAreRevokedToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t) // at .123456 of its second
	wantStatus(t, f.ask(t, "POST", "/api/v1/auth/app/one/expire-all", `{}`), 204)
	at, app := testNow.Unix(), f.ids.app
	for claims, status := range map[string]int{
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d}`, app, at):                       401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d.9}`, app, at):                     401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d,"iat_us":123455}`, app, at):       401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d,"iat_us":123456}`, app, at):       200,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d,"iat_us":1000000000}`, app, at):   401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d,"iat_us":-1}`, app, at):           401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":%d}`, app, at+1):                     200,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","iat":-9e300}`, app):                       401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a"}`, app):                                    401,
		fmt.Sprintf(`{"sub":"%s","org":"org_a","exp":%d,"iat":%d}`, app, int64(9e15), at): 401,
	} {
		if got := f.reads(forge(claims)); got != status {
			t.Errorf("%s: %d, want %d", claims, got, status)
		}
	}
}

func TestFlagsThatPostgresCannotTakeAreNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := forge(fmt.Sprintf(`{"sub":"%s","org":"org_a","feature_flags":["\u0000","beta"]}`, f.ids.app))
	wantStatus(t, f.send("GET", "/api/v1/event-type", "", "Authorization: Bearer "+token), 200)
	if got, want := fmt.Sprintf("%+v", f.store.filter), "{Archived:false AllFlags:false Flags:[beta]}"; got != want {
		t.Errorf("filter = %s, want %s", got, want)
	}
}

// TestTokensOfOrganisationsAreLookedUp uses a broken store, with which the server cannot know whether a token is
// valid.
func TestTokensOfOrganisationsAreLookedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	org, app := f.token(t, "org_a"), f.token(t, "one")
	f.store.broken = &core.Error{Kind: core.KindUnavailable, Code: "unavailable"}
	for _, token := range []string{org, app} {
		wantStatus(t, f.send("POST", "/api/v1/app/one/msg", `{}`, "Authorization: Bearer "+token), 503)
	}
}

func TestTokensOfOrganisationsCanBeRevoked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bearer := func(token string) string { return "Authorization: Bearer " + token }
	one := f.token(t, "org_a")
	other := forge(fmt.Sprintf(`{"sub":"org_a","iat":%d}`, testNow.Add(time.Second).Unix()))
	customer, neighbour := f.token(t, "one"), f.token(t, "org_b")
	revocations := core.NewRevocations(f.store, func() time.Time { return testNow.Add(time.Microsecond) })
	parsed, err := f.tokens.Parse(one)
	if err != nil {
		t.Fatal(err)
	}
	if err := revocations.TokenRevoke(t.Context(), parsed); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(one)), 401, `"code":"authentication_failed"`)
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(other)), 200)

	older := forge(`{"sub":"org_a","iat":1}`)
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(older)), 200)
	if err := revocations.TokenRevokeMany(t.Context(), "org_a"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(older)), 401)
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(other)), 200)
	wantStatus(t, f.send("GET", "/api/v1/app/one", "", bearer(customer)), 200)
	wantStatus(t, f.send("GET", "/api/v1/app", "", bearer(neighbour)), 200)
}

// TestKeysMakeNoDifferenceToTokens sends the same idempotency key with every request, as a client may do that names
// its requests for what they do.
func TestKeysMakeNoDifferenceToTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ask(t, "POST", "/api/v1/auth/app-portal-access/one", `{"sessionId":"s"}`, someKey)
	f.ask(t, "POST", "/api/v1/auth/dashboard-access/one", ``, someKey)
	for key, answer := range f.store.answers {
		t.Errorf("the answer to %v is kept: %s", key, answer.Body)
	}
	for _, body := range []string{`{"expiry":3600}`, `{"expiry":3601}`} { // with the same scope
		token := f.access(t, body)
		wantStatus(t, f.send("POST", "/api/v1/auth/logout", "", "Authorization: Bearer "+token, someKey), 204)
		if status := f.reads(token); status != 401 {
			t.Errorf("after its logout a token reads: %d", status)
		}
	}
}
