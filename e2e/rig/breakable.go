package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

// Breakable is a Postgres server for a single test, which may stop it. The server keeps its data across restarts.
// Unlike the shared server it waits for the disk, so that what it acknowledged survives a crash.
type Breakable interface {
	located
	Stop(ctx context.Context, how Shutdown) error
	Start(ctx context.Context) error
}

type located interface {
	URL(ctx context.Context) (string, error) // of a superuser; may change with each start
}

// Shutdown is a Postgres shutdown mode: fast ends the sessions and writes everything to disk, immediate is a crash.
type Shutdown string

const (
	Fast      Shutdown = "fast"
	Immediate Shutdown = "immediate"
)

// NewBreakable starts a server in a container, or on this machine if there is no container engine.
func NewBreakable(t testing.TB) Breakable {
	t.Helper()
	NeedOwnProcesses(t)
	container, err := runPostgres(t.Context(), testcontainers.WithLabels(labels()))
	if err == nil {
		testcontainers.CleanupContainer(t, container)
		engine := Must(testcontainers.NewDockerProvider())(t)
		t.Cleanup(func() { NoError(t, engine.Close()) })
		return &containerPostgres{container, engine}
	}
	if DemandsDocker() {
		t.Fatal(err)
	}
	return startLocalPostgres(t)
}

type containerPostgres struct {
	container *postgres.PostgresContainer
	engine    *testcontainers.DockerProvider
}

// URL returns a URL with the current port: the container engine chooses a new one at each start.
func (c *containerPostgres) URL(ctx context.Context) (string, error) {
	url, err := c.container.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return "", err
	}
	return withSearchPath(url), nil
}

func (c *containerPostgres) Start(ctx context.Context) error {
	if _, err := c.engine.Client().ContainerStart(ctx, c.container.GetContainerID(), docker.ContainerStartOptions{}); err != nil {
		return err
	}
	return awaitAnswer(ctx, c)
}

func (c *containerPostgres) Stop(ctx context.Context, how Shutdown) error {
	id, signal := c.container.GetContainerID(), "SIGINT"
	if how == Immediate {
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

// awaitAnswer waits until the server accepts a connection.
func awaitAnswer(ctx context.Context, b Breakable) error {
	return poll(ctx, func() bool {
		url, err := b.URL(ctx)
		return err == nil && AdministerDatabase(url, "SELECT") == nil
	})
}

// Bridge gives a server a TCP address on this machine that never changes. Without it, a local server has only a
// socket, and a container gets another port at each start.
func Bridge(t testing.TB, to located) (address string) {
	t.Helper()
	return ServeTCP(t, func(conn net.Conn) { join(conn, to) })
}

func join(conn net.Conn, to located) {
	defer conn.Close()
	server, err := dialPostgres(to)
	if err != nil {
		return // as if the server had refused the connection
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

func dialPostgres(b located) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	url, err := b.URL(ctx)
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

// URLAt returns the URL of the same database at another address.
func URLAt(url, address string) string {
	u := MustParseURL(url)
	u.Host = address
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// terminateBackends ends sessions of the database, but never its own, as an administrator would.
func terminateBackends(ctx context.Context, b Breakable) (ended int, err error) {
	url, err := b.URL(ctx)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Only about half of them, so that a process has both dead and working connections.
	const statement = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5`
	err = conn.QueryRow(ctx, statement).Scan(&ended)
	return ended, err
}
