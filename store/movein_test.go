package store

import (
	"context"
	"crypto/rand"
	"io/fs"
	"log/slog"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// connect connects with the search_path of tests.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(context.WithoutCancel(t.Context()), conn) })
	return conn
}

func execOn(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func valueOn[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// migrateWith migrates with some of the migrations, or with others.
func migrateWith(t *testing.T, m Migrator, files fs.FS) error {
	t.Helper()
	return m.withDefaults().locked(t.Context(), func(_ *pgx.Conn, mate *dbmate.DB) error {
		mate.FS = files
		return mate.Migrate()
	})
}

// migrationsBefore returns the migrations before a version.
func migrationsBefore(t *testing.T, version string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range migrationFileNames() {
		if name >= version {
			continue
		}
		text, err := fs.ReadFile(db.Migrations, migrationsDir+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		files[migrationsDir+"/"+name] = &fstest.MapFile{Data: text}
	}
	return files
}

// newOldInstallation is a database as the last release before POSTRIDER_SCHEMA left it, in the schema public, with the
// rows of a full world.
func newOldInstallation(t *testing.T, from *world) (url string) {
	t.Helper()
	url = empty.New(t)
	if err := migrateWith(t, Migrator{Database: Database{URL: url, Schema: "public"}}, migrationsBefore(t, versionSchema)); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	for _, p := range core.PartitionsAround(time.Now()) {
		execOn(t, conn, "SELECT public.partition_create($1, $2, $3, $4)", p.Table, p.Suffix, p.From, p.To)
	}
	from.copyRows(t, conn, "public", tableColumns(t, conn, "public"))
	return url
}

func TestOldInstallationMovesIntoItsOwnSchema(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := newOldInstallation(t, from)
	var log strings.Builder
	if err := (Migrator{Database: Database{URL: url}, Log: slog.New(slog.NewTextHandler(&log, nil))}).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "moved") {
		t.Errorf("the log says %q", log.String())
	}
	w := &world{Store: openStore(t, url, nil), t: t, app: from.app}
	got, want := w.rowCounts(), from.rowCounts()
	want["state_reader"] = 0 // that release had no such table
	if !maps.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	if err := w.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	w.send(1)
	claimed := 0
	for deliveries := w.claim(room()); len(deliveries) > 0; deliveries = w.claim(room()) { // FIFO: one by one
		for _, d := range deliveries {
			if claimed++; !w.record(result(d, time.Time{})) {
				t.Error("an attempt was not recorded")
			}
		}
		w.exec("UPDATE delivery SET due_at = now() - interval '1 second'")
	}
	if left := w.owed(); len(left) > 0 || claimed == 0 {
		t.Errorf("%d deliveries were claimed; still owed: %v", claimed, left)
	}
	for _, p := range core.PartitionsAround(now().AddDate(1, 0, 0)) {
		if made, err := w.PartitionCreate(t.Context(), p); err != nil || !made {
			t.Errorf("partition %s: %v, %v", p.Suffix, made, err)
		}
	}
	w.exec("SELECT message_send('acme', 'a', '{}')")
}

// TestMovedSchemaIsLikeNewOne compares dumps: nothing is left in public, and no function still names it.
func TestMovedSchemaIsLikeNewOne(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := newOldInstallation(t, from)
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	if got, want := schemaDump(t, url), schemaDump(t, pg.New(t)); got != want {
		t.Errorf("the dump of a moved installation differs from that of a new one: %s", firstDifference(got, want))
	}
}

// partitionComments matches comments on columns, indexes and constraints of partitions. A partition gets those that its
// table has when it is made.
var partitionComments = regexp.MustCompile(`--\n-- Name: .*(attempt|message)_([0-9]{8}|default).*; Type: COMMENT; .*\n--\n\nCOMMENT ON .*\n\n\n`)

// schemaDump is pg_dump's output about everything in the database but rows.
func schemaDump(t *testing.T, url string, options ...string) string {
	t.Helper()
	dump, err := pgDump(t.Context(), url)
	if err != nil {
		t.Skip(err)
	}
	options = append(options, "--schema-only", "--no-owner", "--no-privileges", url)
	text, err := exec.CommandContext(t.Context(), dump, options...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(partitionComments.ReplaceAll(versions.ReplaceAll(text, nil), nil))
}

// firstDifference returns the first lines of a and b that differ.
func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return left[i] + " / " + right[i]
		}
	}
	return "one is longer"
}

func TestOldInstallationStaysInPublicIfToldSo(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := newOldInstallation(t, from)
	public := Database{URL: url, Schema: "public"}
	if err := Migrate(t.Context(), public); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Database: public, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{Store: s, t: t, app: from.app}
	if err := w.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	// Since it was told to stay, another cell leaves it there.
	var log strings.Builder
	if err := (Migrator{Database: Database{URL: url}, Log: slog.New(slog.NewTextHandler(&log, nil))}).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "stays there") {
		t.Errorf("the log says %q", log.String())
	}
	got, want := w.rowCounts(), from.rowCounts()
	want["state_reader"] = 0 // that release had no such table
	if !maps.Equal(got, want) {
		t.Errorf("in public are %v, want %v", got, want)
	}
	if len(w.claim(room())) == 0 {
		t.Error("nothing was claimed in public")
	}
}

// A cell with a name of its own has nothing to do with an installation in public.
func TestOldInstallationDoesNotMoveIntoAnotherCell(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := newOldInstallation(t, from)
	if err := Migrate(t.Context(), Database{URL: url, Schema: "cell_two"}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	if n := valueOn[int](t, conn, "SELECT count(*) FROM public.message"); n != from.rowCounts()["message"] {
		t.Errorf("%d messages are in public", n)
	}
}

func TestMoveLeavesProductsObjectsAlone(t *testing.T) {
	t.Parallel()
	url := newOldInstallation(t, newFullWorld(t))
	conn := connect(t, url)
	reader := newRoleName("producer")
	for _, sql := range []string{
		"CREATE TABLE public.invoice (id int PRIMARY KEY)",
		"INSERT INTO public.invoice VALUES (42)",
		"CREATE VIEW public.waiting AS SELECT count(*) FROM public.outbox",
		"CREATE FUNCTION public.message_send(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE SEQUENCE public.invoice_seq",
		"INSERT INTO public.schema_migrations VALUES ('20250101000000'), ('20261201999999')", // dbmate's or Rails'
		"CREATE ROLE " + reader,
		"GRANT INSERT ON public.outbox TO " + reader,
	} {
		execOn(t, conn, sql)
	}
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	const left = `SELECT array_agg(name ORDER BY name) FROM (
		SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'
		UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS objects (name)`
	want := []string{"invoice", "invoice_seq", "message_send(integer)", "schema_migrations", "waiting"}
	if got := valueOn[[]string](t, conn, left); !slices.Equal(got, want) {
		t.Errorf("in public are %q, want %q", got, want)
	}
	const product = "SELECT array_agg(version ORDER BY version) FROM public.schema_migrations"
	if got := valueOn[[]string](t, conn, product); !slices.Equal(got, []string{"20250101000000", "20261201999999"}) {
		t.Errorf("the product's migrations are %q", got)
	}
	if n := valueOn[int](t, conn, "SELECT count FROM public.waiting"); n != 1 {
		t.Errorf("the product's view shows %d rows", n)
	}
	execOn(t, conn, "SET ROLE "+reader)
	execOn(t, conn, "SELECT postrider.message_send('acme', 'a', '{}')")
	execOn(t, conn, "RESET ROLE")
	s := openStore(t, url, nil)
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

// newRoleName returns a name of its own, because roles belong to the server, which outlives a test.
func newRoleName(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }

func TestMoveWaitsForNobodyForEver(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := newOldInstallation(t, from)
	before := objects(t, url)
	reader := connect(t, url)
	execOn(t, reader, "SET application_name = 'a report'")
	execOn(t, reader, "BEGIN")
	execOn(t, reader, "SELECT count(*) FROM public.message")
	var log strings.Builder
	m := Migrator{Database: Database{URL: url}, Log: slog.New(slog.NewTextHandler(&log, nil)), moveTries: 2}
	err := m.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "a report") || !strings.Contains(err.Error(), "stop the processes") || !isLocked(err) {
		t.Errorf("with a reader: %v", err)
	}
	if strings.Count(log.String(), "waits for a lock; retrying") != 1 {
		t.Errorf("the log says %q", log.String())
	}
	if after := objects(t, url); !slices.Equal(before, after) {
		t.Error("something was changed")
	}
	execOn(t, reader, "COMMIT")
	if err := m.Up(t.Context()); err != nil {
		t.Error(err)
	}
}

// objects lists what is in a database, with the identity of each object.
func objects(t *testing.T, url string) []string {
	t.Helper()
	conn := connect(t, url)
	rows, err := conn.Query(t.Context(), `
		SELECT concat_ws(' ', 'schema', oid, nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
		UNION ALL SELECT concat_ws(' ', 'relation', oid, relnamespace, relname, relfilenode, relacl) FROM pg_class WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'function', oid, pronamespace, proname, proconfig) FROM pg_proc WHERE oid >= 16384
		UNION ALL SELECT concat_ws(' ', 'type', oid, typnamespace, typname) FROM pg_type WHERE oid >= 16384
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}
