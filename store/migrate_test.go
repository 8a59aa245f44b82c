package store

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg/pgtest"
)

var update = flag.Bool("update", false, "write db/schema.sql anew")

// empty hands out databases that nothing was done to.
var empty = pgtest.Template(func(context.Context, string) error { return nil })

func TestTenProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := empty.New(t)
	var processes sync.WaitGroup
	for range 10 {
		processes.Go(func() {
			if err := Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	processes.Wait()
	list, err := MigrateStatus(t.Context(), url)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, m := range list {
		if !m.Applied {
			t.Errorf("%s is not applied", m.File)
		}
	}
}

func TestMigrationsGoUpAndDownWithRowsPresent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(2)
	w.record(result(w.claim(room())[0], now()))
	url := w.pool.Config().ConnString()
	all, err := MigrateStatus(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for range all {
		if err := MigrateDown(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	left := value[int](w, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'")
	if left != 0 {
		t.Errorf("%d tables are left when all migrations are taken back", left)
	}
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	w.pool.Reset() // statements prepared on the old tables
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, w.app) })
}

// TestSchemaIsCurrent compares db/schema.sql, which reviewers read, with what the migrations make.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	dump, err := pgDump()
	if err != nil {
		t.Skip(err)
	}
	url := empty.New(t)
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	got, err := exec.CommandContext(t.Context(), dump, "--schema-only", "--no-owner", "--no-privileges",
		"--exclude-table=schema_migrations", url).Output()
	if err != nil {
		t.Fatal(err)
	}
	got = versions.ReplaceAll(got, nil)
	const file = "../db/schema.sql"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("db/schema.sql is not what the migrations make; make generate writes it anew")
	}
}

// versions is what pg_dump says of itself and of the session, which differs between releases.
var versions = regexp.MustCompile(`(?m)^(-- Dumped (from|by) .*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*)\n`)

// pgDump finds pg_dump of the server the tests run on, or any.
func pgDump() (string, error) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); len(found) > 0 {
		return found[len(found)-1], nil
	}
	return exec.LookPath("pg_dump")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{URL: "postgres://nobody@127.0.0.1:1/none?connect_timeout=2"})
	if err == nil || !isUnavailable(err) {
		t.Errorf("no server: %v", err)
	}
	if _, err := pgx.ParseConfig("postgres://x:y@h/d?sslmode=bad"); err == nil {
		t.Error("a bad parameter was taken")
	}
}
