package rig

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// Deployment returns the base URL of the deployment under test, or "" if the tests run their own processes.
func Deployment() string { return strings.TrimRight(os.Getenv("E2E_BASE_URL"), "/") }

// Service is a running instance of Postrider.
type Service struct {
	URL      string
	Settings []string // settings to issue tokens with; nil: E2E_TOKEN is the only token
}

// SecretSetting is the token secret of all processes.
const SecretSetting = "POSTRIDER_JWT_SECRET=a-secret-that-only-these-tests-use"

// Settings returns the settings of a process on a database. The process may send to this machine. Those in more take
// precedence.
func Settings(database string, more ...string) []string {
	base := []string{
		"DATABASE_URL=" + database, SecretSetting, "POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json",
		"POSTRIDER_ALLOW_SUBNETS=127.0.0.0/8,::1/128",
	}
	return append(base, more...)
}

// Serve runs a process that accepts and delivers messages on a database of its own, until the test ends.
func Serve(t testing.TB, more ...string) (*Process, Service) {
	t.Helper()
	p := Start(t, Settings(NewDatabase(t), more...), "serve")
	s := p.Service(t)
	return p, s
}

// Service returns the process as a client sees it.
func (p *Process) Service(t testing.TB) Service {
	t.Helper()
	return Service{URL: "http://" + p.AwaitReady(t), Settings: []string{SecretSetting}}
}

// SharedRetries is the retry schedule of the shared process.
const SharedRetries = "POSTRIDER_RETRY_SCHEDULE=100ms,200ms"

var sharedProcess = sync.OnceValues(func() (*Process, error) {
	server, err := SharedBackend()
	if err != nil {
		return nil, err
	}
	database, err := createDatabase(server.URL, "template0")
	if err != nil {
		return nil, err
	}
	return launch(Settings(database, SharedRetries), "serve")
})

// Shared returns a service that many tests share: the deployment, or a single process.
func Shared(t testing.TB) Service {
	t.Helper()
	if url := Deployment(); url != "" {
		return Service{URL: url}
	}
	p, err := sharedProcess()
	if err != nil {
		t.Fatal(err)
	}
	return p.Service(t)
}

// NewToken issues a token for an organisation, or for one of its applications.
func (s Service) NewToken(t testing.TB, args ...string) string {
	t.Helper()
	if s.Settings == nil {
		t.Skip("this test needs tokens of its own, and the deployment that E2E_BASE_URL names has its own secret")
	}
	got := Command(t, s.Settings, append([]string{"token"}, args...)...)
	if got.Code != 0 {
		t.Fatalf("postrider token %v: exit code %d: %s", args, got.Code, got.Stderr)
	}
	return strings.TrimSpace(got.Stdout)
}

// NewTenant returns a client for a new organisation or, in a deployment, for the organisation of E2E_TOKEN.
func (s Service) NewTenant(t testing.TB) Client {
	t.Helper()
	if s.Settings == nil {
		token := os.Getenv("E2E_TOKEN")
		if token == "" {
			t.Fatal("E2E_BASE_URL needs E2E_TOKEN, a token of an organisation there")
		}
		return NewClient(t, s.URL, token)
	}
	return NewClient(t, s.URL, s.NewToken(t, "org_"+Random()))
}

// ShortLeases let other workers take over soon after a crash. They require short attempts.
var ShortLeases = []string{
	"POSTRIDER_REQUEST_TIMEOUT=1s", "POSTRIDER_LEASE=3s",
	"POSTRIDER_CONCURRENCY=16", "POSTRIDER_ENDPOINT_CONCURRENCY=8", "POSTRIDER_CIRCUIT_WAIT=1s",
	// Requests held at the gate for longer than an attempt may take are failures. The schedule has more retries than
	// these can use up.
	"POSTRIDER_RETRY_SCHEDULE=500ms,500ms,500ms,500ms,1s,1s,1s,1s,2s,2s,2s,2s" + strings.Repeat(",5s", 38),
}

// OpsSetting makes a process answer health checks on a free port.
const OpsSetting = "POSTRIDER_OPS_LISTEN=127.0.0.1:0"
