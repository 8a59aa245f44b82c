// Package pgtest gives tests their own databases. Each test process runs one ephemeral server, which starts when the
// first database is requested; migrations run once, and each test gets a clone of the result.
//
//	var pg = pgtest.Template(migrate)
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }
//
//	func TestClaim(t *testing.T) {
//		t.Parallel()
//		url := pg.New(t) // for locks, NOTIFY, several connections; else pg.Shared(t)
//	}
//
// It must not know what it migrates: the migration is passed in as a function.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience bounds a single wait of a test: a cold start with its migrations takes about two seconds, and a shared
// machine may be twenty times slower.
const patience = time.Minute

// serial makes names unique within the server, and so within the process.
var serial atomic.Int64

// Databases hands out clones of one migrated template.
type Databases struct {
	migrate  func(ctx context.Context, url string) error
	template func() (string, error)
	shared   func() (string, error)
	patience time.Duration // bounds the creation of a template or clone
	strategy string        // of CREATE DATABASE
}

// Template declares a template database, usually in a package variable: nothing starts before New or Shared is called.
// migrate receives the URL of an empty database, and must have closed its connections when it returns.
func Template(migrate func(ctx context.Context, url string) error) *Databases {
	d := &Databases{migrate: migrate, patience: patience}
	d.template = sync.OnceValues(d.makeTemplate)
	d.shared = sync.OnceValues(d.clone)
	return d
}

// Large is for a template of hundreds of megabytes, which may take ten times as long as others. Its clones are made
// by copying its files after a checkpoint, instead of block by block through the WAL. For a template of some
// megabytes the checkpoint would take longer than that.
func (d *Databases) Large() *Databases {
	d.patience, d.strategy = 10*patience, " STRATEGY FILE_COPY"
	return d
}

// New returns the URL of a database for this test only. It is dropped after the test, even if something is still
// connected to it.
func (d *Databases) New(t testing.TB) string {
	t.Helper()
	name, err := d.clone()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := administer("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return urlOf(name)
}

// Shared returns the URL of the one database for all tests of the process that leave no trace, such as those that roll
// back their transaction.
func (d *Databases) Shared(t testing.TB) string {
	t.Helper()
	name, err := d.shared()
	if err != nil {
		t.Fatal(err)
	}
	return urlOf(name)
}

// makeTemplate disallows connections to the template, even by superusers: Postgres does not clone a database with
// open connections, and waits up to five seconds for them to end.
func (d *Databases) makeTemplate() (string, error) {
	name := fmt.Sprintf("template_%d", serial.Add(1))
	if err := administer("CREATE DATABASE " + name); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.patience)
	defer cancel()
	if err := d.migrate(ctx, urlOf(name)); err != nil {
		return "", fmt.Errorf("migrating the template database: %w", err)
	}
	return name, administer(
		"ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+name+"'",
	)
}

func (d *Databases) clone() (string, error) {
	template, err := d.template()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("test_%d", serial.Add(1))
	return name, administerWithin(d.patience, "CREATE DATABASE "+name+" TEMPLATE "+template+d.strategy)
}

// administer runs statements one by one, outside a transaction. Connecting for each call costs about 2 ms, and avoids
// a pool whose goroutines would outlive the tests.
func administer(statements ...string) error { return administerWithin(patience, statements...) }

func administerWithin(patience time.Duration, statements ...string) error {
	s, err := server()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return fmt.Errorf("connecting to the test server: %w", err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("running %q: %w", statement, err)
		}
	}
	return nil
}

// searchPath is for the statements of tests, psql and pg_dump. The service sets its own.
const searchPath = "postrider,public"

// urlOf must be called only once the server runs.
func urlOf(name string) string {
	s, _ := server()
	u, err := url.Parse(s.URL())
	if err != nil {
		panic(err) // localpg made it with net/url
	}
	u.Path = "/" + name
	query := u.Query()
	query.Set("options", "-csearch_path="+searchPath)
	u.RawQuery = query.Encode()
	return u.String()
}
