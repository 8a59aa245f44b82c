package store

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg/pgtest"
)

var update = flag.Bool("update", false, "write db/schema.sql anew")

// empty provides databases that are not migrated.
var empty = pgtest.Template(func(context.Context, string) error { return nil })

func TestTenProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := empty.New(t)
	var processes sync.WaitGroup
	for range 10 {
		processes.Go(func() {
			if err := Migrate(t.Context(), Database{URL: url}); err != nil {
				t.Error(err)
			}
		})
	}
	processes.Wait()
	list, err := MigrateStatus(t.Context(), Database{URL: url})
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
	w := newFullWorld(t)
	for range 2 { // dead letters that have the same id
		w.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
			VALUES (1000, 'org_a', 'acme', 'a', '{}', now(), 'refused', now())`)
	}
	url := w.pool.Config().ConnString()
	all, err := MigrateStatus(t.Context(), Database{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	for range all {
		if err := MigrateDown(t.Context(), Database{URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	left := value[int](w, "SELECT count(*) FROM pg_class WHERE relnamespace = 'postrider'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'")
	if left != 0 {
		t.Errorf("%d tables are left when all migrations are taken back", left)
	}
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	w.pool.Reset() // statements prepared on the old tables
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, w.app) })
}

// TestDeliveryTriggerIsDropped migrates a database that has the trigger which used to number FIFO deliveries.
func TestDeliveryTriggerIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	w.addEndpoint(nil)
	w.send(1)
	url := w.pool.Config().ConnString()
	const insert = `INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue)
		SELECT $1, 'msg_' || $2::text || n, 'ep_' || q, now(), 0, q FROM generate_series(9, 1, -1) AS n, unnest('{0, 2}'::int[]) AS q
		ORDER BY n`
	const order = "SELECT array_agg(message_id ORDER BY seq) FROM delivery WHERE endpoint_id = 'ep_2'"
	has := func(want bool) {
		t.Helper()
		if got := value[bool](w, "SELECT EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal)"); got != want {
			t.Errorf("there is a trigger: %t", got)
		}
	}
	has(false)
	w.exec(insert, w.app.ID, "a") // as the release did that relied on the trigger
	for value[int](w, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0 {
		if err := MigrateDown(t.Context(), Database{URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE (queue = 2) <> (seq IS NOT NULL)"); n != 0 {
		t.Errorf("%d deliveries have a number and need none, or need one", n)
	}
	w.exec(insert, w.app.ID, "b")
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	has(false)
	w.exec(insert, w.app.ID, "c")
	var want []string
	for _, by := range "abc" {
		for n := 1; n <= 9; n++ {
			want = append(want, fmt.Sprintf("msg_%c%d", by, n))
		}
	}
	if got := value[[]string](w, order); !slices.Equal(got, want) {
		t.Errorf("numbered in the order %v", got)
	}
}

// TestSchemaIsCurrent compares db/schema.sql, which reviewers read, with the schema that the migrations create.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	url := empty.New(t)
	dump, err := pgDump(t.Context(), url)
	switch {
	case err != nil && *update:
		t.Fatal(err) // nothing would be written
	case err != nil:
		t.Skip(err) // make check-migrations requires that this runs
	}
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
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

// versions matches what pg_dump says about itself and the session, which differs between releases.
var versions = regexp.MustCompile(`(?m)^(-- Dumped (from|by) .*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*)\n`)

// pgDump finds a pg_dump that can read the server: the server's own, or another one that is not older.
func pgDump(ctx context.Context, databaseURL string) (string, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var dir string
	var server int
	const where = "SELECT setting, current_setting('server_version_num')::int / 10000 FROM pg_config WHERE name = 'BINDIR'"
	if err := conn.QueryRow(ctx, where).Scan(&dir, &server); err != nil {
		return "", err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	return notOlder(server, append([]string{filepath.Join(dir, "pg_dump"), "pg_dump"}, found...), func(program string) string {
		version, _ := exec.CommandContext(ctx, program, "--version").Output() // no output if it is not installed
		return string(version)
	})
}

var majorOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// notOlder returns the first program that is not older than the server, because pg_dump refuses newer servers.
func notOlder(server int, programs []string, version func(string) string) (string, error) {
	err := errors.New("no pg_dump found")
	for _, program := range programs {
		match := majorOf.FindStringSubmatch(version(program))
		if match == nil {
			continue
		}
		major, failed := strconv.Atoi(match[1])
		if failed == nil && major >= server {
			return program, nil
		}
		err = fmt.Errorf("%s is of Postgres %d, older than the server, which is %d", program, major, server)
	}
	return "", err
}

func TestSchemaIsDumpedByNoOlderProgram(t *testing.T) {
	t.Parallel()
	versions := map[string]string{
		"/15/pg_dump": "pg_dump (PostgreSQL) 15.9 (Debian 15.9-1)\n", "/18/pg_dump": "pg_dump (PostgreSQL) 18.4\n",
	}
	version := func(program string) string { return versions[program] }
	if got, err := notOlder(17, []string{"/none", "/15/pg_dump", "/18/pg_dump"}, version); err != nil || got != "/18/pg_dump" {
		t.Errorf("found %s, %v", got, err)
	}
	_, err := notOlder(17, []string{"/none", "/15/pg_dump"}, version)
	if want := "/15/pg_dump is of Postgres 15, older than the server, which is 17"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := notOlder(17, []string{"/none"}, version); err == nil {
		t.Error("found one where there is none")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{Database: Database{URL: "postgres://nobody@127.0.0.1:1/none?connect_timeout=2"}})
	if err == nil || !isUnavailable(err) {
		t.Errorf("no server: %v", err)
	}
	if _, err := pgx.ParseConfig("postgres://x:y@h/d?sslmode=bad"); err == nil {
		t.Error("a bad parameter was taken")
	}
}
