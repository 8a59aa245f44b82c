package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type demand struct {
	signal   syscall.Signal
	patience time.Duration
}

// The fast shutdown writes out the memory, at most the 128 MB of shared_buffers; the immediate one only ends
// processes, and leaves recovery to the next start.
var (
	fast      = demand{syscall.SIGINT, 15 * time.Second}
	immediate = demand{syscall.SIGQUIT, 5 * time.Second}
	kill      = demand{syscall.SIGKILL, 5 * time.Second}
)

// end sends one signal after the other until the process is gone.
func end(ctx context.Context, gone <-chan struct{}, signal func(os.Signal) error, demands ...demand) error {
	for _, d := range demands {
		_ = signal(d.signal) // fails if the process has just ended, which is fine
		select {
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.patience):
		}
	}
	return errors.New("postgres survived SIGKILL")
}

// release undoes the completed steps of Start, in reverse. If the server does not end, it leaves the rest as it is:
// the lock then still keeps others out.
func (s *Server) release() error {
	if err := s.endProcess(); err != nil {
		return fmt.Errorf("stopping the local Postgres in %s: %w", s.dir, err)
	}
	errs := []error{os.RemoveAll(s.socketDir)} // no-op for ""
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

func (s *Server) endProcess() error {
	if s.process == nil {
		return nil
	}
	demands := []demand{fast, immediate, kill}
	if s.temporary {
		demands = demands[1:] // nobody will read what a fast shutdown would save
	}
	return end(context.Background(), s.done, s.process.Signal, demands...)
}

// stopLeftover ends a server whose parent was killed: one that is still shutting down or, on systems that do not
// signal the parent's death, one that is still running. The caller must hold the lock. Then it removes the file with
// the pid, because Postgres refuses to start while any process of the same user has that pid, even a zombie or an
// unrelated one, as happens after every restart of a container.
func (s *Server) stopLeftover(ctx context.Context) error {
	file := filepath.Join(s.data(), "postmaster.pid")
	pid, err := readPid(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if err := s.endOther(ctx, pid); err != nil {
			return fmt.Errorf("stopping the server (pid %d) of an earlier process: %w", pid, err)
		}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale pid file: %w", err)
	}
	return nil
}

// endOther gets a handle on the process before it inspects it, so that the signals cannot reach another process that
// gets the same pid later.
func (s *Server) endOther(ctx context.Context, pid int) error {
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer process.Release()
	if !servesCluster(pid, s.data()) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		if poll(ctx, func() bool { return !servesCluster(pid, s.data()) }) == nil {
			close(gone)
		}
	}()
	return end(ctx, gone, process.Signal, fast, immediate, kill)
}

// readPid reads the first line of a postmaster.pid.
func readPid(file string) (int, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strconv.Atoi(strings.TrimSpace(line))
}
