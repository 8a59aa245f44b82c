package localpg

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// outputPatience is how long to wait for the last output of a process that has ended while a child of it still holds
// the pipe.
const outputPatience = 2 * time.Second

// command prepares a program of Postgres. It runs as the right account, and in a process group of its own, so that
// Ctrl-C in a terminal reaches this process alone, which then stops the server cleanly.
func command(ctx context.Context, a account, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = environment()
	cmd.Dir = "/" // the account may have no access to our directory
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
	cmd.WaitDelay = outputPatience
	dieWithParent(cmd.SysProcAttr)
	return cmd
}

// environment passes on only the variables that are needed to find libraries: our own variables contain secrets, and
// PG* variables would change the server. English messages and UTC make it the same everywhere, and spare initdb the
// search for the name of the local time zone.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (s *Server) launch(context.Context) error {
	log, err := s.openLog()
	if err != nil {
		return fmt.Errorf("opening the server's log: %w", err)
	}
	// Not Start's context: the server outlives it.
	cmd := command(context.Background(), s.account, s.bin.path("postgres"), s.arguments()...)
	output := io.MultiWriter(&s.output, log)
	cmd.Stdout, cmd.Stderr = output, output
	started := make(chan error, 1)
	go s.run(cmd, log, started)
	return <-started
}

// run stays on its thread until the process has exited. The kernel sends the signal of dieWithParent when the thread
// that started the process ends, and Go may end threads at any time.
func (s *Server) run(cmd *exec.Cmd, log io.Closer, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { _ = log.Close() }() // people alone read the log
	if err := cmd.Start(); err != nil {
		started <- fmt.Errorf("running %s: %w", cmd.Path, err)
		return
	}
	s.process = cmd.Process
	started <- nil
	s.exit = cmd.Wait()
	close(s.done)
}

// arguments leaves everything else at Postgres's defaults.
func (s *Server) arguments() []string {
	args := []string{
		"-D", s.data(),
		"-c", "listen_addresses=",
		"-c", "unix_socket_directories=" + s.socketDir,
		"-c", "port=" + strconv.Itoa(port),
		"-c", "max_connections=100",
		"-c", "shared_buffers=128MB",
	}
	if s.config.Ephemeral {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "max_prepared_transactions=5")
	}
	return args
}

// openLog keeps one previous log, which shows the end of a server that crashed. The file is always created, never
// opened, so that a link in its place cannot redirect root's writing.
func (s *Server) openLog() (io.WriteCloser, error) {
	if s.config.Log != nil {
		return unclosed{s.config.Log}, nil
	}
	path := filepath.Join(s.dir, "postgres.log")
	if err := os.Rename(path, path+".1"); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// unclosed leaves closing to the caller, who owns the writer.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
