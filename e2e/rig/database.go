package rig

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// NewDatabase creates a migrated but otherwise empty database for this test and returns its URL.
func NewDatabase(t testing.TB) string {
	t.Helper()
	NeedOwnProcesses(t)
	if onCitus() {
		return newMigratedDatabase(t)
	}
	return newDatabase(t, Must(migrated())(t))
}

// newMigratedDatabase is NewDatabase without copying: Postgres copies no database that anything is connected to, and the
// maintenance daemon of Citus always is.
func newMigratedDatabase(t testing.TB) string {
	t.Helper()
	database := newDatabase(t, "template0")
	if got := Command(t, Settings(database), "migrate", "up"); got.Code != 0 {
		t.Fatalf("migrate up: %s", Tail(got.Stderr))
	}
	return database
}

// NewEmptyDatabase creates a database without the migrations.
func NewEmptyDatabase(t testing.TB) string {
	t.Helper()
	NeedOwnProcesses(t)
	return newDatabase(t, "template0")
}

func newDatabase(t testing.TB, template string) string {
	t.Helper()
	server := Must(SharedBackend())(t)
	database := Must(createDatabase(server.URL, template))(t)
	t.Cleanup(func() {
		// The processes have exited, but Postgres may still be closing their sessions.
		name := strings.TrimPrefix(MustParseURL(database).Path, "/")
		if err := AdministerDatabase(server.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return database
}

// migrated returns the name of a migrated database to copy. On a busy machine, running the migrations for each test
// would take seconds.
var migrated = sync.OnceValues(func() (template string, err error) {
	server, err := SharedBackend()
	if err != nil {
		return "", err
	}
	database, err := createDatabase(server.URL, "template0")
	if err != nil {
		return "", err
	}
	p, err := launch(Settings(database), "migrate", "up")
	if err != nil {
		return "", err
	}
	if <-p.done; p.Cmd.ProcessState.ExitCode() != 0 {
		return "", fmt.Errorf("migrate up: %s", Tail(p.Stderr.String()))
	}
	// Postgres cannot copy a database while anything, such as a vacuum, is connected to it.
	template = strings.TrimPrefix(MustParseURL(database).Path, "/")
	return template, AdministerDatabase(server.URL, "ALTER DATABASE "+template+" ALLOW_CONNECTIONS false")
})

// searchPath is for the statements of tests, psql and pg_dump. The service sets its own.
const searchPath = "postrider,public"

func createDatabase(server, template string) (string, error) {
	name := "e2e_" + Random()
	if err := AdministerDatabase(server, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		return "", err
	}
	u := MustParseURL(server)
	u.Path = "/" + name
	if onCitus() {
		if err := AdministerDatabase(u.String(), "CREATE EXTENSION citus"); err != nil {
			return "", err
		}
	}
	return withSearchPath(u.String()), nil
}

// withSearchPath returns a URL whose sessions find the tables of the service.
func withSearchPath(database string) string {
	u := MustParseURL(database)
	query := u.Query()
	query.Set("options", "-csearch_path="+searchPath)
	u.RawQuery = query.Encode()
	return u.String()
}

// AdministerDatabase runs a statement on a server as a superuser.
func AdministerDatabase(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// MustParseURL parses a URL that a test built.
func MustParseURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err) // a bug in the test
	}
	return u
}

// Random returns a random string for use in a name.
func Random() string { return strings.ToLower(rand.Text()[:12]) }
