package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestTokenIsRevokedInEveryProcessAtOnce revokes a leaked token. The token can no longer send messages, and no other
// token is affected.
func TestTokenIsRevokedInEveryProcessAtOnce(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	here, there := rig.Start(t, rig.Settings(database), "api").Service(t), rig.Start(t, rig.Settings(database), "api").Service(t)
	org := "org_" + rig.Random()
	leaked, kept := rig.NewClient(t, here.URL, here.NewToken(t, org)), rig.NewClient(t, here.URL, here.NewToken(t, org, "--expiry=1h"))
	app := leaked.NewApplication(t)
	customer, neighbour := kept.PortalAccess(t, app, svix.AppPortalAccessIn{}), here.NewTenant(t)
	leakedThere := rig.NewClient(t, there.URL, leaked.Token)
	wantGood(t, app, true, leaked, leakedThere, kept, customer) // both processes have cached them as valid

	revoked := func(args ...string) {
		t.Helper()
		got := rig.Command(t, rig.Settings(database), append([]string{"token", "revoke"}, args...)...)
		if got.Code != 0 || got.Stderr != "" || !strings.Contains(got.Stdout, "Revoked") || strings.Contains(got.Stdout, leaked.Token) {
			t.Fatalf("token revoke %v: %+v", args, got)
		}
	}
	revoked(leaked.Token)
	wantGood(t, app, false, leakedThere, leaked)
	for _, url := range []string{here.URL, there.URL} {
		_, err := rig.NewClient(t, url, leaked.Token).Message.Create(t.Context(), app, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
		rig.WantRefused(t, err, 401, "authentication_failed")
	}
	wantGood(t, app, true, kept, rig.NewClient(t, there.URL, kept.Token), customer)

	revoked("--all", org)
	wantGood(t, app, false, kept, rig.NewClient(t, there.URL, kept.Token))
	wantGood(t, app, true, customer, rig.NewClient(t, there.URL, here.NewToken(t, org)))
	neighbour.NewApplication(t)
}

func TestTokenRevokeRefusesInvalid(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	marks(t, database, "migrate", "up")
	for name, args := range map[string][]string{
		"nothing": {}, "both": {"a.b.c", "--all", "org_1"}, "no organisation": {"--all", "acme"},
		"no token": {"token"}, "another secret's": {foreignToken(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := rig.Command(t, rig.Settings(database), append([]string{"token", "revoke"}, args...)...)
			if got.Code != 1 || got.Stdout != "" || strings.Count(got.Stderr, "\n") != 1 {
				t.Errorf("%+v; want one line that says what is wrong", got)
			}
		})
	}
}

// TestTokenExpiryIsHonoured checks the expiry in the signed claims.
func TestTokenExpiryIsHonoured(t *testing.T) {
	t.Parallel()
	for want, args := range map[time.Duration][]string{
		365 * 24 * time.Hour: {"org_1"}, 28 * 24 * time.Hour: {"org_1", "--application", "app_1"}, 90 * time.Minute: {"org_1", "--expiry=90m"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			_, rest, _ := strings.Cut(rig.Service{Settings: []string{rig.SecretSetting}}.NewToken(t, args...), ".")
			payload, _, _ := strings.Cut(rest, ".")
			var claims struct{ Iat, Exp int64 }
			rig.NoError(t, json.Unmarshal(rig.Must(base64.RawURLEncoding.DecodeString(payload))(t), &claims))
			if got := time.Duration(claims.Exp-claims.Iat) * time.Second; got != want {
				t.Errorf("%v: good for %s, want %s", args, got, want)
			}
		})
	}
}
