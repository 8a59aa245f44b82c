package e2e

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// deployment is the base URL of the deployment that is tested instead of processes of ours.
func deployment() string { return strings.TrimRight(os.Getenv("E2E_BASE_URL"), "/") }

// service is a Postrider that answers.
type service struct {
	url      string
	settings []string // what its tokens are made with; nil: there is E2E_TOKEN alone
}

// secretSetting is what all processes of these tests sign tokens with.
const secretSetting = "POSTRIDER_JWT_SECRET=a-secret-that-only-these-tests-use"

// settings are those of a process on this database that may send to this machine, with the given
// ones added or put in their place.
func settings(database string, more ...string) []string {
	base := []string{
		"DATABASE_URL=" + database, secretSetting, "POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json",
		"POSTRIDER_ALLOW_SUBNETS=127.0.0.0/8,::1/128",
	}
	return append(base, more...)
}

// serve runs a process that accepts and delivers, on a database of its own, until the test ends.
func serve(t testing.TB, more ...string) (*process, service) {
	t.Helper()
	p := start(t, settings(newDatabase(t), more...), "serve")
	s := p.service(t)
	return p, s
}

// service is the process as a client sees it.
func (p *process) service(t testing.TB) service {
	t.Helper()
	return service{url: "http://" + p.ready(t), settings: []string{secretSetting}}
}

// sharedRetries are how long the shared process waits after failures.
const sharedRetries = "POSTRIDER_RETRY_SCHEDULE=100ms,200ms"

var sharedProcess = sync.OnceValues(func() (*process, error) {
	server, err := theBackend()
	if err != nil {
		return nil, err
	}
	database, err := createDatabase(server.url)
	if err != nil {
		return nil, err
	}
	return launch(settings(database, sharedRetries), "serve")
})

// shared is the service of all tests that can do with one they share: the deployment, or a process.
func shared(t testing.TB) service {
	t.Helper()
	if url := deployment(); url != "" {
		return service{url: url}
	}
	p, err := sharedProcess()
	if err != nil {
		t.Fatal(err)
	}
	return p.service(t)
}

// token mints a token for an organisation, or for one application of it.
func (s service) token(t testing.TB, args ...string) string {
	t.Helper()
	if s.settings == nil {
		t.Skip("this test needs tokens of its own, and the deployment that E2E_BASE_URL names has its own secret")
	}
	got := command(t, s.settings, append([]string{"token"}, args...)...)
	if got.code != 0 {
		t.Fatalf("postrider token %v: exit code %d: %s", args, got.code, got.stderr)
	}
	return strings.TrimSpace(got.stdout)
}

// tenant is a client of an organisation that nobody else uses, or of the one that E2E_TOKEN is for.
func (s service) tenant(t testing.TB) client {
	t.Helper()
	if s.settings == nil {
		token := os.Getenv("E2E_TOKEN")
		if token == "" {
			t.Fatal("E2E_BASE_URL needs E2E_TOKEN, a token of an organisation there")
		}
		return newClient(t, s.url, token)
	}
	return newClient(t, s.url, s.token(t, "org_"+random()))
}
