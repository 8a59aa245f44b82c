package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// TestAnOrganisationsTokenIsRevokedInEveryProcessAtOnce is for one that got into the wrong hands: it sends no message
// any more, and nobody else's token ends with it.
func TestAnOrganisationsTokenIsRevokedInEveryProcessAtOnce(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	here, there := start(t, settings(database), "api").service(t), start(t, settings(database), "api").service(t)
	org := "org_" + random()
	leaked, kept := newClient(t, here.url, here.token(t, org)), newClient(t, here.url, here.token(t, org, "--expiry=1h"))
	app := leaked.application(t)
	customer, neighbour := kept.access(t, app, svix.AppPortalAccessIn{}), here.tenant(t)
	leakedThere := newClient(t, there.url, leaked.token)
	wantGood(t, app, true, leaked, leakedThere, kept, customer) // remembered as good by both

	revoked := func(args ...string) {
		t.Helper()
		got := command(t, settings(database), append([]string{"token", "revoke"}, args...)...)
		if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, "Revoked") || strings.Contains(got.stdout, leaked.token) {
			t.Fatalf("token revoke %v: %+v", args, got)
		}
	}
	revoked(leaked.token)
	wantGood(t, app, false, leakedThere, leaked)
	for _, url := range []string{here.url, there.url} {
		_, err := newClient(t, url, leaked.token).Message.Create(t.Context(), app, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
		refused(t, err, 401, "authentication_failed")
	}
	wantGood(t, app, true, kept, newClient(t, there.url, kept.token), customer)

	revoked("--all", org)
	wantGood(t, app, false, kept, newClient(t, there.url, kept.token))
	wantGood(t, app, true, customer, newClient(t, there.url, here.token(t, org)))
	neighbour.application(t)
}

func TestOnlyTokensThatAreGoodCanBeRevoked(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	marks(t, database, "migrate", "up")
	for name, args := range map[string][]string{
		"nothing": {}, "both": {"a.b.c", "--all", "org_1"}, "no organisation": {"--all", "acme"},
		"no token": {"token"}, "another secret's": {foreignToken(t)},
	} {
		got := command(t, settings(database), append([]string{"token", "revoke"}, args...)...)
		if got.code != 1 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s: %+v; want one line that says what is wrong", name, got)
		}
	}
}

// TestATokenIsGoodForAsLongAsItsExpirySays reads what is signed.
func TestATokenIsGoodForAsLongAsItsExpirySays(t *testing.T) {
	t.Parallel()
	for want, args := range map[time.Duration][]string{
		365 * 24 * time.Hour: {"org_1"}, 28 * 24 * time.Hour: {"org_1", "--application", "app_1"}, 90 * time.Minute: {"org_1", "--expiry=90m"},
	} {
		_, rest, _ := strings.Cut(service{settings: []string{secretSetting}}.token(t, args...), ".")
		payload, _, _ := strings.Cut(rest, ".")
		var claims struct{ Iat, Exp int64 }
		done(t, json.Unmarshal(must(base64.RawURLEncoding.DecodeString(payload))(t), &claims))
		if got := time.Duration(claims.Exp-claims.Iat) * time.Second; got != want {
			t.Errorf("%v: good for %s, want %s", args, got, want)
		}
	}
}
