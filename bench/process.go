package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// process is this program in one of its roles.
type process struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	cancel context.CancelFunc
}

// stopPatience is how long a process may take to end before it is killed: slightly more than serve's own patience.
const stopPatience = servePatience + 5*time.Second

// start runs a role until stop is called or ctx ends.
func start(ctx context.Context, role string, env []string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, append([]string{role}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = stopPatience
	stdin, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	cmd.Cancel = stdin.Close // which ends it cleanly
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &process{cmd: cmd, stdout: bufio.NewReader(stdout), cancel: cancel}, nil
}

// stop ends the process and returns once it has ended. A process that has ended already is no failure, nor is one
// that is to start nothing more.
func (p *process) stop() {
	p.cancel()
	_ = p.cmd.Wait() // it was told to end
}

// startListener starts a role that listens, and returns its address.
func startListener(ctx context.Context, role string, env []string, args ...string) (*process, string, error) {
	p, err := start(ctx, role, env, args...)
	if err != nil {
		return nil, "", err
	}
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("%s did not start listening: %w", role, err)
	}
	return p, strings.TrimSpace(line), nil
}

// postrider is a process of the service under test.
type postrider struct {
	*process        // the process that runs it
	pid      int    // postrider's own
	address  string // of its API; empty: no API
}

// startPostrider starts the role serve with these arguments.
func startPostrider(ctx context.Context, jwtSecret string, args ...string) (*postrider, error) {
	p, line, err := startListener(ctx, serveName, []string{jwtSecret}, args...)
	if err != nil {
		return nil, err
	}
	pid, address, _ := strings.Cut(line, " ")
	number, err := strconv.Atoi(pid)
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("the process id: %w", err)
	}
	return &postrider{p, number, address}, nil
}

// output runs a role to its end and returns its output.
func output(ctx context.Context, role string, args ...string) ([]byte, error) {
	p, err := start(ctx, role, nil, args...)
	if err != nil {
		return nil, err
	}
	defer p.cancel()
	text, err := io.ReadAll(p.stdout)
	if e := p.cmd.Wait(); e != nil {
		return nil, fmt.Errorf("%s: %w", role, e)
	}
	return text, err
}
