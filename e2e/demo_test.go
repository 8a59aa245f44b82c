package e2e

import (
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestDemoShowsEveryEvent(t *testing.T) {
	t.Parallel()
	t.Run("with a Postgres of its own", func(t *testing.T) {
		t.Parallel()
		showsEveryEvent(t, localSettings(newDataDir(t)))
	})
	t.Run("with a database", func(t *testing.T) {
		t.Parallel()
		showsEveryEvent(t, rig.Settings(rig.NewDatabase(t)))
	})
}

func showsEveryEvent(t *testing.T, settings []string) {
	t.Helper()
	got := rig.Command(t, settings, "demo")
	if got.Code != 0 || got.Stderr != "" {
		t.Errorf("exit code %d, stderr %q", got.Code, got.Stderr)
	}
	if n := strings.Count(got.Stdout, "signature: verified"); n != 3 {
		t.Errorf("%d events were verified, want 3", n)
	}
	for _, want := range []string{
		"webhook-signature: v1,", "12345678901234567890", "took 3 attempt(s): 503 fail 503 fail 204 success",
		"All 3 events arrived, and their signatures are valid.",
	} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("it does not show %q", want)
		}
	}
}

// listen starts a receiver as a user would, and returns its address.
func listen(t *testing.T, args ...string) (p *rig.Process, url string) {
	t.Helper()
	p = rig.Start(t, nil, append([]string{"listen", "127.0.0.1:0"}, args...)...)
	rig.Await(t, func() string {
		_, rest, found := strings.Cut(p.Stdout.String(), "Waiting for webhooks at ")
		url, _, _ = strings.Cut(rest, " ")
		if !found || url == "" {
			return "it does not say where it listens"
		}
		return ""
	})
	return p, url
}

func TestListenPrintsAndVerifiesWebhooks(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	secret := rig.NewSecret()
	right, rightURL := listen(t, "--secret", secret)
	wrong, wrongURL := listen(t, "--secret", rig.NewSecret(), "--status=503")
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	for _, url := range []string{rightURL, wrongURL} {
		rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url, Secret: &secret}, nil))(t)
	}
	id := c.SendMessage(t, app)
	codes := map[int16]int{}
	for _, a := range c.AwaitAttempts(t, app, id, 1+3) {
		codes[a.ResponseStatusCode]++
	}
	if codes[204] != 1 || codes[503] != 3 {
		t.Errorf("it answered with %v", codes)
	}
	for _, want := range []string{id, `{"n":`, "webhook-signature: v1,", "signature: verified"} {
		if !strings.Contains(right.Stdout.String(), want) {
			t.Errorf("it does not print %q", want)
		}
	}
	if text := wrong.Stdout.String(); strings.Contains(text, "verified") || !strings.Contains(text, "no matching signature") {
		t.Errorf("with another secret it prints %s", rig.Tail(text))
	}
	right.Stop(t)
	wrong.Stop(t)
}

func TestListenRefusesBadSecret(t *testing.T) {
	t.Parallel()
	got := rig.Command(t, []string{"POSTRIDER_LISTEN_SECRET=whsec_!"}, "listen", "127.0.0.1:0")
	refusesToStart(t, got, "POSTRIDER_LISTEN_SECRET")
}
