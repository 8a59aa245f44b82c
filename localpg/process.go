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

// outputPatience is how long to wait for the last output of a process that has ended while a child
// of its own still holds the pipe.
const outputPatience = 2 * time.Second

// command prepares a program of Postgres: as the right account, and in a process group of its own,
// so that Ctrl-C in a terminal reaches this process alone, which then stops the server in good order.
func command(ctx context.Context, a account, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = environment()
	cmd.Dir = "/" // the account may not be allowed where we are
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
	cmd.WaitDelay = outputPatience
	dieWithParent(cmd.SysProcAttr)
	return cmd
}

// environment passes on what finding libraries takes and no more: our own variables hold secrets,
// and those named PG... would change the server. English messages and UTC make it the same
// everywhere, and spare initdb the search for the name of the local time zone.
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
	// Not the context of Start: the server outlives it.
	cmd := command(context.Background(), s.account, s.bin.path("postgres"), s.arguments()...)
	output := io.MultiWriter(&s.output, log)
	cmd.Stdout, cmd.Stderr = output, output
	started := make(chan error, 1)
	go s.run(cmd, log, started)
	return <-started
}

// run keeps its thread until the process has exited, because the kernel sends the signal of
// dieWithParent when the thread ends that started it, and Go ends threads as it pleases.
func (s *Server) run(cmd *exec.Cmd, log io.Closer, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { _ = log.Close() }() // only ever read by people
	if err := cmd.Start(); err != nil {
		started <- fmt.Errorf("running %s: %w", cmd.Path, err)
		return
	}
	s.process = cmd.Process
	started <- nil
	s.exit = cmd.Wait()
	close(s.done)
}

// arguments leaves the rest to the defaults of Postgres.
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
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	return args
}

// openLog keeps one predecessor, in which the end of a server that crashed can be read. The file is
// made anew, never opened: no link that stands there in its place can lead root's writing astray.
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

// unclosed leaves closing to the caller, whose writer it is.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
