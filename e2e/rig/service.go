package rig

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// Deployment returns the base URL of the deployment to test, or "" if tests run processes of their own.
func Deployment() string { return strings.TrimRight(os.Getenv("E2E_BASE_URL"), "/") }

// Service is a running Postrider.
type Service struct {
	URL      string
	Settings []string // what its tokens are made with; nil: there is E2E_TOKEN alone
}

// SecretSetting is the token secret of all processes.
const SecretSetting = "POSTRIDER_JWT_SECRET=a-secret-that-only-these-tests-use"

// Settings returns the settings of a process on a database that may send to this machine. Those in more take precedence.
func Settings(database string, more ...string) []string {
	base := []string{
		"DATABASE_URL=" + database, SecretSetting, "POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json",
		"POSTRIDER_ALLOW_SUBNETS=127.0.0.0/8,::1/128",
	}
	return append(base, more...)
}

// Serve runs a process that accepts and delivers, on a database of its own, until the test ends.
func Serve(t testing.TB, more ...string) (*Process, Service) {
	t.Helper()
	p := Start(t, Settings(NewDatabase(t), more...), "serve")
	s := p.Service(t)
	return p, s
}

// Service is the process as a client sees it.
func (p *Process) Service(t testing.TB) Service {
	t.Helper()
	return Service{URL: "http://" + p.AwaitReady(t), Settings: []string{SecretSetting}}
}

// SharedRetries are how long the shared process waits after failures.
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

// Shared returns a service that many tests share: the deployment, or one process.
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

// NewToken mints a token for an organisation, or for one application of it.
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

// NewTenant returns a client of a new organisation, or of E2E_TOKEN's.
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
	// Requests that the gate holds for longer than an attempt may take are failures. There are more
	// retries than that can use up.
	"POSTRIDER_RETRY_SCHEDULE=500ms,500ms,500ms,500ms,1s,1s,1s,1s,2s,2s,2s,2s" + strings.Repeat(",5s", 38),
}

// OpsSetting lets a process answer health checks, on a free port.
const OpsSetting = "POSTRIDER_OPS_LISTEN=127.0.0.1:0"
