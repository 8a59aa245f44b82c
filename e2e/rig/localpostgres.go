package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/localpg"
)

// LocalPostgres is a Breakable that runs on this machine.
type LocalPostgres struct {
	Dir     string
	Server  *localpg.Server
	Address string // does not change with a restart
}

// NewLocalPostgres starts a server on this machine, even if those of other tests run in containers. It skips the test
// if Postgres is not installed.
func NewLocalPostgres(t testing.TB) *LocalPostgres {
	t.Helper()
	NeedOwnProcesses(t)
	if err := localpg.Available(); err != nil {
		t.Skipf("this test needs Postgres on this machine, besides containers: %v", err)
	}
	return startLocalPostgres(t)
}

func startLocalPostgres(t testing.TB) *LocalPostgres {
	t.Helper()
	l := newLocalPostgres(t)
	l.start(t)
	return l
}

// newLocalPostgres returns a server that has not been started and has no data yet.
func newLocalPostgres(t testing.TB) *LocalPostgres {
	t.Helper()
	// Not t.TempDir: if the test runs as root, the account that Postgres runs as cannot enter that directory.
	dir := Must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	NoError(t, os.Chmod(dir, 0o755))
	l := &LocalPostgres{Dir: filepath.Join(dir, "server")}
	t.Cleanup(func() {
		if l.Server != nil {
			NoError(t, l.Stop(context.Background(), Fast))
		}
		NoError(t, os.RemoveAll(dir))
	})
	return l
}

func (l *LocalPostgres) start(t testing.TB) {
	t.Helper()
	NoError(t, l.Start(t.Context()))
	l.Address = withSearchPath(l.Server.URL())
}

// NewEmptyDatabase creates another database, which goes with the server.
func (l *LocalPostgres) NewEmptyDatabase(t testing.TB) string {
	t.Helper()
	return Must(createDatabase(l.Address, "template0"))(t)
}

// URL returns the URL of a superuser. It stays the same.
func (l *LocalPostgres) URL(context.Context) (string, error) { return l.Address, nil }

// Start starts the server on its existing data.
func (l *LocalPostgres) Start(ctx context.Context) (err error) {
	server, err := localpg.Start(ctx, localpg.Config{Dir: l.Dir})
	if err == nil {
		l.Server = server
	}
	return err
}

// Stop stops the server and returns after it has exited.
func (l *LocalPostgres) Stop(_ context.Context, how Shutdown) error {
	if how == Immediate {
		pid, err := postmaster(l.Dir)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
			return err
		}
		<-l.Server.Done()
	}
	return l.Server.Stop()
}

// Kill kills all processes of the server with SIGKILL, as if its machine had failed. The first of them is stopped
// meanwhile, so that it starts no others and their ids are not given to anybody else.
func (l *LocalPostgres) Kill(t testing.TB) {
	t.Helper()
	conn := Must(pgx.Connect(t.Context(), l.Address))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	first, memory := Must(postmaster(l.Dir))(t), l.sharedMemory(t)
	NoError(t, syscall.Kill(first, syscall.SIGSTOP))
	rows := Must(conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))(t)
	for _, pid := range Must(pgx.CollectRows(rows, pgx.RowTo[int]))(t) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have just ended
	}
	NoError(t, syscall.Kill(first, syscall.SIGKILL))
	<-l.Server.Done()
	NoError(t, l.Server.Stop())
	// Postgres would do that when it started on these data again, which it never does.
	_ = exec.CommandContext(t.Context(), "ipcrm", "-m", memory).Run()
}

// sharedMemory returns the id of the server's System V shared memory, the second number in line 7 of postmaster.pid.
func (l *LocalPostgres) sharedMemory(t testing.TB) string {
	t.Helper()
	text := Must(os.ReadFile(filepath.Join(l.Dir, "data", "postmaster.pid")))(t)
	fields := strings.Fields(strings.Split(string(text), "\n")[6])
	return fields[1]
}

func postmaster(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(line)
}

// Configure changes settings of the server that need no restart.
func (l *LocalPostgres) Configure(t testing.TB, settings ...string) {
	t.Helper()
	for _, setting := range settings {
		Execute(t, l.Address, "ALTER SYSTEM SET "+setting)
	}
	Execute(t, l.Address, "SELECT pg_reload_conf()")
}

// Waits reports whether any session of the server is waiting for an event.
func (l *LocalPostgres) Waits(t testing.TB, event string) bool {
	t.Helper()
	n := 0
	Query(t, l.Address, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = '"+event+"'", &n)
	return n > 0
}

// AwaitUncommitted waits until a commit is waiting for the server's standby.
func (l *LocalPostgres) AwaitUncommitted(t testing.TB) {
	t.Helper()
	Await(t, func() string {
		if !l.Waits(t, "SyncRep") {
			return "no commit waits for the standby"
		}
		return ""
	})
}

// LoseStandby makes every commit wait for a standby that does not exist.
func (l *LocalPostgres) LoseStandby(t testing.TB) {
	t.Helper()
	l.Configure(t, "synchronous_standby_names = 'absent'")
	// The setting takes effect some time after the reload: when a commit of this session waits.
	conn := Must(pgx.Connect(t.Context(), l.Address))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for err := error(nil); err == nil; {
			_, err = conn.Exec(t.Context(), "SELECT pg_logical_emit_message(true, '', '')")
		}
	}()
	l.AwaitUncommitted(t)
	l.EndUncommitted(t)
	<-ended
}

// EndUncommitted ends the sessions whose commits wait for a standby. Postgres then commits on the primary alone.
func (l *LocalPostgres) EndUncommitted(t testing.TB) {
	t.Helper()
	Execute(t, l.Address, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
}

// AwaitWritable waits until the server has ended its recovery.
func (l *LocalPostgres) AwaitWritable(t testing.TB) {
	t.Helper()
	Await(t, func() string {
		var recovering bool
		if Query(t, l.Address, "SELECT pg_is_in_recovery()", &recovering); recovering {
			return "the server is still in recovery"
		}
		return ""
	})
}
