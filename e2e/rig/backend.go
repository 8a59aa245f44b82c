package rig

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"

	"github.com/postrider/postrider/localpg"
)

// backend is the Postgres server on which tests create their databases.
type backend struct {
	URL  string // of a superuser
	stop func() error
}

// startedBackend is the server that StopBackend stops. It is locked during a start, so that StopBackend also stops a
// server that is still starting.
var startedBackend struct {
	sync.Mutex
	*backend
}

// SharedBackend returns the Postgres server that the tests share. The first call starts it.
var SharedBackend = sync.OnceValues(func() (b *backend, err error) {
	startedBackend.Lock()
	defer startedBackend.Unlock()
	b, err = startBackend(context.Background())
	startedBackend.backend = b
	return b, err
})

// StopBackend stops the shared server if it was started.
func StopBackend() {
	startedBackend.Lock()
	defer startedBackend.Unlock()
	if startedBackend.backend == nil {
		return
	}
	if err := startedBackend.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: stop Postgres:", err)
	}
	startedBackend.backend = nil
}

// DemandsDocker reports whether tests must fail, rather than fall back to a local Postgres, if containers cannot run.
func DemandsDocker() bool { return os.Getenv("E2E_BACKEND") == "docker" }

func startBackend(ctx context.Context) (*backend, error) {
	if os.Getenv("E2E_BACKEND") == "local" {
		return startLocalBackend(ctx)
	}
	container, err := startPostgres(ctx)
	if err == nil {
		return container, nil
	}
	if DemandsDocker() {
		return nil, fmt.Errorf("E2E_BACKEND=docker: %w", err)
	}
	fmt.Fprintf(os.Stderr, "e2e: a local Postgres stands in for a container: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	return startLocalBackend(ctx)
}

func startLocalBackend(ctx context.Context) (*backend, error) {
	server, err := localpg.Start(ctx, localpg.Config{Ephemeral: true, InMemory: true})
	if err != nil {
		return nil, err
	}
	return &backend{URL: server.URL(), stop: server.Stop}, nil
}

// labels returns the labels of all containers, networks and images, so that they can be removed after a test was
// killed.
func labels() map[string]string {
	name, value, found := strings.Cut(os.Getenv("E2E_LABEL"), "=")
	if !found {
		return map[string]string{}
	}
	return map[string]string{name: value}
}

// postgresData is the volume of the image.
const postgresData = "/var/lib/postgresql/data"

func postgresImage() string { return cmp.Or(os.Getenv("E2E_POSTGRES_IMAGE"), "postgres:17") }

func startPostgres(ctx context.Context) (*backend, error) {
	// In memory databases are copied and dropped faster, as on a local server.
	container, err := runPostgres(ctx, testcontainers.WithLabels(labels()), testcontainers.WithTmpfs(map[string]string{postgresData: "rw"}))
	if err != nil {
		return nil, err
	}
	url, err := container.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		_ = testcontainers.TerminateContainer(container)
		return nil, err
	}
	return &backend{URL: url, stop: func() error { return testcontainers.TerminateContainer(container) }}, nil
}

// onCitus reports whether the schemas of the tests are distributed in a Citus cluster of one node.
func onCitus() bool { return os.Getenv("E2E_CITUS") == "on" }

// runPostgres starts Postgres in a container. If it fails, it leaves nothing behind.
func runPostgres(ctx context.Context, more ...testcontainers.ContainerCustomizer) (*postgres.PostgresContainer, error) {
	options := append([]testcontainers.ContainerCustomizer{postgres.BasicWaitStrategies()}, more...)
	if onCitus() {
		options = append(options, testcontainers.WithCmdArgs("-c", "citus.enable_schema_based_sharding=on"))
	}
	container, err := postgres.Run(ctx, postgresImage(), options...)
	if err != nil && container != nil {
		_ = testcontainers.TerminateContainer(container)
	}
	return container, err
}
