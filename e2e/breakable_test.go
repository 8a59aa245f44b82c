package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"

	"github.com/postrider/postrider/localpg"
)

// breakable is a Postgres server of one test's own, which may stop it. It keeps its data, and unlike
// the server that tests share it waits for the disk: what was answered has to be there afterwards.
type breakable interface {
	url(ctx context.Context) (string, error) // a superuser's; another one after each start
	stop(ctx context.Context, how shutdown) error
	start(ctx context.Context) error
}

// shutdown is what Postgres calls it: fast ends the sessions and writes all down, immediate is a crash.
type shutdown string

const (
	fast      shutdown = "fast"
	immediate shutdown = "immediate"
)

// newBreakable starts a server in a container or, where that cannot be, on this machine.
func newBreakable(t testing.TB) breakable {
	t.Helper()
	ownProcesses(t)
	container, err := runPostgres(t.Context(), testcontainers.WithLabels(labels()))
	if err == nil {
		testcontainers.CleanupContainer(t, container)
		engine := must(testcontainers.NewDockerProvider())(t)
		t.Cleanup(func() { done(t, engine.Close()) })
		return &containerPostgres{container, engine}
	}
	if demandsDocker() {
		t.Fatal(err)
	}
	// Not t.TempDir, which root's Postgres could not enter.
	dir := must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	done(t, os.Chmod(dir, 0o755))
	l := &localPostgres{dir: filepath.Join(dir, "server")}
	t.Cleanup(func() {
		done(t, l.stop(context.Background(), fast))
		done(t, os.RemoveAll(dir))
	})
	done(t, l.start(t.Context()))
	l.address = l.server.URL()
	return l
}

type localPostgres struct {
	dir     string
	server  *localpg.Server
	address string // the same at each start
}

func (l *localPostgres) url(context.Context) (string, error) { return l.address, nil }

func (l *localPostgres) start(ctx context.Context) (err error) {
	server, err := localpg.Start(ctx, localpg.Config{Dir: l.dir})
	if err == nil {
		l.server = server
	}
	return err
}

func (l *localPostgres) stop(_ context.Context, how shutdown) error {
	if how == immediate {
		pid, err := postmaster(l.dir)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
			return err
		}
		<-l.server.Done()
	}
	return l.server.Stop()
}

func postmaster(dir string) (int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(line)
}

type containerPostgres struct {
	container *postgres.PostgresContainer
	engine    *testcontainers.DockerProvider
}

// url names the port that the engine has chosen anew when it started the container.
func (c *containerPostgres) url(ctx context.Context) (string, error) {
	return c.container.ConnectionString(ctx, "sslmode=disable")
}

func (c *containerPostgres) start(ctx context.Context) error {
	if _, err := c.engine.Client().ContainerStart(ctx, c.container.GetContainerID(), docker.ContainerStartOptions{}); err != nil {
		return err
	}
	return awaitAnswer(ctx, c)
}

func (c *containerPostgres) stop(ctx context.Context, how shutdown) error {
	id, signal := c.container.GetContainerID(), "SIGINT"
	if how == immediate {
		signal = "SIGKILL"
	}
	waiting := c.engine.Client().ContainerWait(ctx, id, docker.ContainerWaitOptions{})
	if _, err := c.engine.Client().ContainerKill(ctx, id, docker.ContainerKillOptions{Signal: signal}); err != nil {
		return err
	}
	select {
	case <-waiting.Result:
		return nil
	case err := <-waiting.Error:
		return err
	}
}

// awaitAnswer waits until the server lets somebody in.
func awaitAnswer(ctx context.Context, b breakable) error {
	return poll(ctx, func() bool {
		url, err := b.url(ctx)
		return err == nil && administer(url, "SELECT") == nil
	})
}

// bridge gives a server a TCP address on this machine that stays, whichever way it is reached at the
// moment: a local one has a socket alone, and a container another port after each start.
func bridge(t testing.TB, to breakable) (address string) {
	t.Helper()
	return serveTCP(t, func(conn net.Conn) { join(conn, to) })
}

func join(conn net.Conn, to breakable) {
	defer conn.Close()
	server, err := dialPostgres(to)
	if err != nil {
		return // as if it had refused
	}
	var there sync.WaitGroup
	there.Go(func() {
		defer server.Close()
		_, _ = io.Copy(server, conn)
	})
	_, _ = io.Copy(conn, server)
	server.Close()
	conn.Close()
	there.Wait()
}

func dialPostgres(b breakable) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url, err := b.url(ctx)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	kind, address := pgconn.NetworkAddress(config.Host, config.Port)
	return new(net.Dialer).DialContext(ctx, kind, address)
}

// urlAt is the URL of the same database at another address.
func urlAt(url, address string) string {
	u := mustParse(url)
	u.Host = address
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// terminateBackends ends every session at the database but its own, as an administrator would.
func terminateBackends(ctx context.Context, b breakable) (ended int, err error) {
	url, err := b.url(ctx)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// About half of them, so that a process has some that work and some that do not.
	const statement = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5`
	err = conn.QueryRow(ctx, statement).Scan(&ended)
	return ended, err
}
