package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a postrider that runs, or has run.
type process struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	done   chan struct{} // closed when it has ended
}

// output is what a process has written so far.
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

// ownProcesses skips a test that a deployment does not answer for.
func ownProcesses(t testing.TB) {
	t.Helper()
	if deployment() != "" {
		t.Skip("this test runs processes of its own, and E2E_BASE_URL names a deployment")
	}
}

// start runs postrider with these settings and no others, and kills it when the test ends, if it
// still runs by then. Of a test that failed it shows what the process had to say.
func start(t testing.TB, settings []string, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(binary, args...), settings)
}

func startCommand(t testing.TB, cmd *exec.Cmd, settings []string) *process {
	t.Helper()
	ownProcesses(t)
	p, err := launchCommand(cmd, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s\n%s\n%s", strings.Join(cmd.Args, " "), tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

func tail(text string) string {
	const most = 4000
	if len(text) > most {
		return "[...] " + text[len(text)-most:]
	}
	return text
}

// launched is every process, so that none outlives these tests.
var launched struct {
	sync.Mutex
	all []*process
}

func launch(settings []string, args ...string) (*process, error) {
	return launchCommand(exec.Command(binary, args...), settings)
}

// harnessSettings are those of all processes, unless a test says otherwise: hundreds of them stop, and no load balancer
// has to notice; and many run at a time, of which one would have the default address.
var harnessSettings = []string{"POSTRIDER_STOP_DELAY=0s", "POSTRIDER_OPS_LISTEN="}

func launchCommand(cmd *exec.Cmd, settings []string) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.cmd.Env = slices.Concat(cleanEnvironment(), harnessSettings, settings)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = patience // for an output that somebody else holds open
	launched.Lock()
	defer launched.Unlock()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	launched.all = append(launched.all, p)
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its exit code says it
	}()
	return p, nil
}

func killAll() {
	launched.Lock()
	defer launched.Unlock()
	for _, p := range launched.all {
		p.kill()
	}
}

// cleanEnvironment is ours without what would set up Postrider or its Postgres.
func cleanEnvironment() []string {
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

// kill is kill -9. It returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it fails for one that is gone
	<-p.done
}

// signal sends a signal to a process that runs.
func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	done(t, p.cmd.Process.Signal(s))
}

// terminate asks the process to stop.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// exitCode waits for the end of the process.
func (p *process) exitCode(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%v: still running after %s", p.cmd.Args, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop asks the process to stop and wants it to end well.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.terminate(t)
	if code := p.exitCode(t); code != 0 {
		t.Errorf("%v: exit code %d after SIGTERM, want 0; stderr: %s", p.cmd.Args, code, tail(p.stderr.String()))
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ready waits until the process says that it is, and returns the address of its API.
func (p *process) ready(t testing.TB) (address string) {
	t.Helper()
	await(t, func() string {
		if p.hasEnded() {
			t.Fatalf("%v ended before it was ready: %s", p.cmd.Args, tail(p.stderr.String()))
		}
		line, ok := readyLine(p.stdout.String())
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

// result is what became of a command.
type result struct {
	code           int
	stdout, stderr string
}

// command runs postrider to its end.
func command(t testing.TB, settings []string, args ...string) result {
	t.Helper()
	p := start(t, settings, args...)
	return result{code: p.exitCode(t), stdout: p.stdout.String(), stderr: p.stderr.String()}
}
