package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a postrider process, running or exited.
type Process struct {
	Cmd    *exec.Cmd
	Stdout output
	Stderr output
	done   chan struct{} // closed when the process has exited
}

// output collects what a process has written so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// NeedOwnProcesses skips a test that cannot run against a deployment.
func NeedOwnProcesses(t testing.TB) {
	t.Helper()
	if Deployment() != "" {
		t.Skip("this test runs processes of its own, and E2E_BASE_URL names a deployment")
	}
}

// Start runs postrider with these settings and no others, and kills it when the test ends. If the test failed, it logs
// the process's output.
func Start(t testing.TB, settings []string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(Binary, args...), settings)
}

// StartCommand is Start for a command that eventually runs postrider.
func StartCommand(t testing.TB, cmd *exec.Cmd, settings []string) *Process {
	t.Helper()
	NeedOwnProcesses(t)
	p, err := launchCommand(cmd, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s\n%s\n%s", strings.Join(cmd.Args, " "), Tail(p.Stdout.String()), Tail(p.Stderr.String()))
		}
	})
	return p
}

// Tail returns the end of a long text.
func Tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "[...] " + text[len(text)-most:]
	}
	return text
}

// launched holds every started process, so that none outlives the tests.
var launched struct {
	sync.Mutex
	all []*Process
}

func launch(settings []string, args ...string) (*Process, error) {
	return launchCommand(exec.Command(Binary, args...), settings)
}

// harnessSettings apply to all processes unless a test overrides them. There is no stop delay, because hundreds of
// processes stop and no load balancer has to notice. There is no health check listener, because many processes run
// concurrently and only one could have the default address.
var harnessSettings = []string{"POSTRIDER_STOP_DELAY=0s", "POSTRIDER_OPS_LISTEN="}

func launchCommand(cmd *exec.Cmd, settings []string) (*Process, error) {
	p := &Process{Cmd: cmd, done: make(chan struct{})}
	settings, err := pooledAsUsual(settings)
	if err != nil {
		return nil, err
	}
	p.Cmd.Env = slices.Concat(CleanEnvironment(), harnessSettings, settings)
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Stdout, &p.Stderr
	p.Cmd.WaitDelay = Patience // in case another process holds the output open
	launched.Lock()
	defer launched.Unlock()
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	launched.all = append(launched.all, p)
	go func() {
		defer close(p.done)
		_ = p.Cmd.Wait() // the exit code says the same
	}()
	return p, nil
}

// KillAll kills every process that these tests started.
func KillAll() {
	launched.Lock()
	defer launched.Unlock()
	for _, p := range launched.all {
		p.Kill()
	}
}

// CleanEnvironment returns the environment without variables for Postrider or Postgres.
func CleanEnvironment() []string {
	var clean []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		ours := name == "DATABASE_URL" || strings.HasPrefix(name, "POSTRIDER_") || strings.HasPrefix(name, "OTEL_")
		if !ours && (name == "PG_BINDIR" || !strings.HasPrefix(name, "PG")) {
			clean = append(clean, variable)
		}
	}
	return clean
}

// Kill kills the process with SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill() // fails if the process is gone
	<-p.done
}

// Signal sends a signal to a running process.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	NoError(t, p.Cmd.Process.Signal(s))
}

// Terminate asks the process to stop.
func (p *Process) Terminate(t testing.TB) {
	t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// AwaitExit waits until the process exits and returns its exit code.
func (p *Process) AwaitExit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("%v: still running after %s", p.Cmd.Args, Patience)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Stop asks the process to stop, and fails unless it exits with 0.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Terminate(t)
	if code := p.AwaitExit(t); code != 0 {
		t.Errorf("%v: exit code %d after SIGTERM, want 0; stderr: %s", p.Cmd.Args, code, Tail(p.Stderr.String()))
	}
}

// HasEnded reports whether the process has ended.
func (p *Process) HasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// AwaitReady waits until the process logs that it is ready, and returns the address of its API.
func (p *Process) AwaitReady(t testing.TB) (address string) {
	t.Helper()
	Await(t, func() string {
		if p.HasEnded() {
			t.Fatalf("%v ended before it was ready: %s", p.Cmd.Args, Tail(p.Stderr.String()))
		}
		line, ok := readyLine(p.Stdout.String())
		address = line.Address
		if !ok {
			return "postrider is not ready"
		}
		return ""
	})
	return address
}

type logLine struct {
	Message string `json:"msg"`
	Address string `json:"address"`
	Ops     string `json:"ops_address"`
}

func readyLine(log string) (line logLine, ok bool) {
	for text := range strings.Lines(log) {
		if json.Unmarshal([]byte(text), &line) == nil && line.Message == "ready" {
			return line, true
		}
	}
	return logLine{}, false
}

// Result is a command's exit code and output.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Command runs postrider until it exits.
func Command(t testing.TB, settings []string, args ...string) Result {
	t.Helper()
	p := Start(t, settings, args...)
	return Result{Code: p.AwaitExit(t), Stdout: p.Stdout.String(), Stderr: p.Stderr.String()}
}

// SkipIfShort skips a test with -short. It is for tests that take half a minute or more.
func SkipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it takes half a minute or more")
	}
}

// Settings returns the environment that the process was started with.
func (p *Process) Settings() []string { return slices.Clone(p.Cmd.Env) }

// Binary is the path of the Postrider binary under test.
var Binary string

// CountEvents returns how many log events have the given message, and how many events are errors.
func (p *Process) CountEvents(message string) (n, failures int) {
	for line := range strings.Lines(p.Stdout.String()) {
		if strings.Contains(line, fmt.Sprintf("%q", message)) {
			n++
		}
		if strings.Contains(line, `"level":"ERROR"`) {
			failures++
		}
	}
	return n, failures
}

// OpsURL waits until the process is ready and returns the URL of its health checks.
func (p *Process) OpsURL(t testing.TB) string {
	t.Helper()
	p.AwaitReady(t)
	line, _ := readyLine(p.Stdout.String())
	return "http://" + line.Ops
}

// AwaitClosed waits until the API accepts no more connections.
func (p *Process) AwaitClosed(t *testing.T) {
	t.Helper()
	address := p.AwaitReady(t)
	Await(t, func() string {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "the API still accepts connections"
		}
		return ""
	})
}
