// Package bouncer runs a PgBouncer for tests, in transaction mode and as strict as its defaults are: it refuses
// startup parameters, and sessions are shared by all clients of a database. It uses the installed binary, and must
// not know what runs through it.
package bouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/localpg"
)

// port only names the socket's file.
const port = "6432"

// patience bounds the start, which takes milliseconds.
const patience = time.Minute

// required is the value of E2E_PGBOUNCER with which a missing PgBouncer fails tests.
const required = "required"

// Config configures a PgBouncer.
type Config struct {
	// Server is the URL of any database of a server. All databases there are reachable through the pooler, with the
	// user and the password of this URL.
	Server string

	// ConnectQuery runs at the start of each session with the server.
	ConnectQuery string

	Settings []string // more lines of the configuration's section pgbouncer
}

// Bouncer is a running PgBouncer.
type Bouncer struct {
	user       string
	dir        string
	path       string              // of the binary
	credential *syscall.Credential // if nil, ours
	output     strings.Builder     // complete after done
	done       chan struct{}       // closed when the process has ended

	mu      sync.Mutex
	process *os.Process
	stopped bool
}

// crash is what PgBouncer 1.18 says before it exits because a client ended while its cancel request was being passed on:
// https://github.com/pgbouncer/pgbouncer/issues/801. Tests kill clients all the time, so it is started again, as it
// would be by a supervisor.
const crash = "in function disconnect_client(): bad client state"

// Find returns the path of the binary. Debian installs it where only root looks.
func Find() (path string, err error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("PgBouncer is not installed")
}

// Need skips a test if there is no PgBouncer, or fails it if E2E_PGBOUNCER is "required".
func Need(t testing.TB) {
	t.Helper()
	if _, err := Find(); err == nil {
		return
	}
	if os.Getenv("E2E_PGBOUNCER") == required {
		t.Fatal("E2E_PGBOUNCER=required, and PgBouncer is not installed")
	}
	t.Skip("PgBouncer is not installed; E2E_PGBOUNCER=required makes this an error")
}

// New starts a PgBouncer that runs until the test ends. It skips the test as [Need] does.
func New(t testing.TB, c Config) *Bouncer {
	t.Helper()
	Need(t)
	b, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("PgBouncer:\n%s", b.output.String())
		}
	})
	return b
}

// Start starts a PgBouncer and waits until it accepts connections.
func Start(ctx context.Context, c Config) (*Bouncer, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	credential, err := localpg.ServerCredential() // the binary refuses to run as root, and may have to read the server's socket
	if err != nil {
		return nil, err
	}
	server, err := pgx.ParseConfig(c.Server)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgbouncer-*")
	if err != nil {
		return nil, err
	}
	b := &Bouncer{user: server.User, dir: dir, path: path, credential: credential, done: make(chan struct{})}
	if err := b.configure(server, c); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	started := make(chan error, 1)
	go b.run(started)
	if err := <-started; err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := b.await(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// run keeps its thread: on Linux the kernel ends the process when the thread that started it ends.
func (b *Bouncer) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(b.done)
	cmd, err := b.launch()
	started <- err
	for read := 0; err == nil; {
		_ = cmd.Wait() // it was told to end, or await tells what it said
		output := b.output.String()
		if !strings.Contains(output[read:], crash) {
			return
		}
		read = len(output)
		cmd, err = b.launch()
	}
}

// launch starts the process.
func (b *Bouncer) launch() (*exec.Cmd, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil, os.ErrProcessDone
	}
	cmd := exec.CommandContext(context.Background(), b.path, b.file()) // Stop ends it
	cmd.Stdout, cmd.Stderr = &b.output, &b.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.credential, Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", b.path, err)
	}
	b.process = cmd.Process
	return cmd, nil
}

func (b *Bouncer) file() string { return filepath.Join(b.dir, "pgbouncer.ini") }

// configure writes the configuration. What is not in it has PgBouncer's default, except that the server is tried
// again after one second instead of fifteen, as docs/poolers.md recommends.
func (b *Bouncer) configure(server *pgx.ConnConfig, c Config) error {
	text := "[databases]\n* =" + parameters(
		"host", server.Host, "port", fmt.Sprint(server.Port), "user", server.User, "password", server.Password, "connect_query", c.ConnectQuery,
	) + "\n[pgbouncer]\n" + strings.Join(append([]string{
		"pool_mode = transaction", "auth_type = any", "admin_users = " + server.User,
		"listen_addr =", "listen_port = " + port, "unix_socket_dir = " + b.dir, "max_client_conn = 1000",
		"server_login_retry = 1", "query_wait_timeout = 30", "server_idle_timeout = 10", "server_check_delay = 5",
	}, c.Settings...), "\n") + "\n"
	if err := os.WriteFile(b.file(), []byte(text), 0o600); err != nil {
		return err
	}
	if b.credential == nil {
		return nil
	}
	for _, path := range []string{b.file(), b.dir} {
		if err := os.Chown(path, int(b.credential.Uid), int(b.credential.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// parameters formats names and values as in a connection string. Empty ones are left out.
func parameters(pairs ...string) (text string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			text += fmt.Sprintf(" %s='%s'", pairs[i], strings.ReplaceAll(pairs[i+1], "'", "''"))
		}
	}
	return text
}

// await waits until the socket accepts connections. If that fails, it stops what was started.
func (b *Bouncer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(b.dir, ".s.PGSQL."+port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-b.done:
			_ = os.RemoveAll(b.dir)
			return fmt.Errorf("PgBouncer ended: %s", b.output.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), b.Stop())
		}
	}
}

// URL returns the URL of a database through the pooler.
func (b *Bouncer) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(b.user), Path: "/" + database}
	u.RawQuery = url.Values{"host": {b.dir}, "port": {port}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Command runs a command of the administration console, such as RECONNECT.
func (b *Bouncer) Command(ctx context.Context, command string) error {
	config, err := pgx.ParseConfig(b.URL("pgbouncer"))
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, command)
	return err
}

// Stop ends the process, which cuts all connections, and removes its directory.
func (b *Bouncer) Stop() error {
	b.mu.Lock()
	b.stopped = true
	err := b.process.Signal(syscall.SIGTERM)
	b.mu.Unlock()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-b.done
	return errors.Join(err, os.RemoveAll(b.dir))
}

// Running holds one PgBouncer for each key, for tests that share them.
type Running struct {
	mu  sync.Mutex
	all map[string]*Bouncer
}

// Get returns the PgBouncer of a configuration, which the first call starts.
func (r *Running) Get(ctx context.Context, c Config) (*Bouncer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	server, err := pgx.ParseConfig(c.Server)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(server.Host, " ", server.Port, " ", server.User, " ", server.Password, " ", c.ConnectQuery, c.Settings)
	if b := r.all[key]; b != nil {
		return b, nil
	}
	b, err := Start(ctx, c)
	if err != nil {
		return nil, err
	}
	if r.all == nil {
		r.all = map[string]*Bouncer{}
	}
	r.all[key] = b
	return b, nil
}

// Stop stops all of them.
func (r *Running) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, b := range r.all {
		errs = append(errs, b.Stop())
	}
	r.all = nil
	return errors.Join(errs...)
}
