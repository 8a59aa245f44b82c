package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// hotTables are those that every message goes through and that may be large. The outbox is empty but for the last
// moment.
var hotTables = append([]string{"attempt_count", "idempotency_key", "message_event_id", "message_key"}, largeTables...)

// TestMigrationsOfLiveTables applies each migration while others write and read. It logs the longest time that one of
// their statements took, which depends on the machine. What it requires does not: a migration that has locked a table
// against everybody that every message goes through neither reads nor rewrites it, so that the lock is as short for a billion rows as for
// none. A file may say why that is acceptable, as in TestMigrationsLeaveLargeTablesWritable.
func TestMigrationsOfLiveTables(t *testing.T) {
	t.Parallel()
	from := newFullWorld(t)
	url := empty.New(t)
	conn := connect(t, url)
	execOn(t, conn, "CREATE SCHEMA postrider")
	execOn(t, conn, "SET search_path = postrider, pg_temp")
	writer, reader := newTraffic(t, url, writesTo), newTraffic(t, url, readsOf)
	for _, file := range migrationFileNames() {
		before := tableColumns(t, conn, "postrider")
		migration := dbmate.Migration{FileName: file, FilePath: migrationsDir + "/" + file, FS: db.Migrations}
		sections, err := migration.Parse()
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range sections {
			if !section.UpOptions.Transaction() {
				execOn(t, conn, section.Up)
				continue
			}
			for _, table := range applyWatched(t, conn, section.Up) {
				if _, existed := before[table]; existed && slices.Contains(hotTables, table) && !slices.Contains(allowedToBlock(t, file), table) {
					t.Errorf("%s locks %s against everybody and reads or rewrites it", file, table)
				}
			}
		}
		if stall := max(writer.stall(), reader.stall()); len(before) > 0 {
			t.Logf("%s: longest statement %v", file, stall.Round(time.Millisecond))
		}
		created := tableColumns(t, conn, "postrider")
		maps.DeleteFunc(created, func(table string, _ []string) bool { _, existed := before[table]; return existed })
		from.copyRows(t, conn, "postrider", created)
	}
}

func allowedToBlock(t *testing.T, file string) (tables []string) {
	t.Helper()
	for _, match := range blocksWrites.FindAllStringSubmatch(migrationFiles(t)[migrationsDir+"/"+file], -1) {
		tables = append(tables, match[1])
	}
	return tables
}

// use is what a transaction did to a table or partition.
type use struct {
	Table     string // partitions count as their table
	Exclusive bool
	Scans     int64
	File      uint32
}

// applyWatched applies a migration in a transaction, and returns the tables that it locked against everybody and read
// or rewrote.
func applyWatched(t *testing.T, conn *pgx.Conn, up string) (tables []string) {
	t.Helper()
	execOn(t, conn, "BEGIN")
	before := uses(t, conn)
	execOn(t, conn, up)
	for relation, after := range uses(t, conn) {
		then, existed := before[relation]
		if existed && after.Exclusive && (after.Scans > then.Scans || after.File != then.File) {
			tables = append(tables, after.Table)
		}
	}
	execOn(t, conn, "COMMIT")
	return tables
}

// uses looks at the transaction in progress. Every read of a whole table counts as a scan: a statement's, and that of
// an ALTER TABLE that checks a constraint or of a CREATE INDEX.
func uses(t *testing.T, conn *pgx.Conn) map[uint32]use {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT
			pg_class.oid,
			coalesce(root.relname, pg_class.relname)::text,
			EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = pg_class.oid AND mode = 'AccessExclusiveLock'),
			coalesce(pg_stat_get_xact_numscans(pg_class.oid), 0),
			pg_relation_filenode(pg_class.oid)
		FROM pg_class
		LEFT JOIN pg_class AS root ON root.oid = pg_partition_root(pg_class.oid)
		WHERE pg_class.relnamespace = 'postrider'::regnamespace AND pg_class.relkind = 'r'`)
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint32]use{}
	var oid uint32
	var u use
	if _, err := pgx.ForEachRow(rows, []any{&oid, &u.Table, &u.Exclusive, &u.Scans, &u.File}, func() error { found[oid] = u; return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

func writesTo(table string, columns []string) string {
	column := pgx.Identifier{columns[1]}.Sanitize() // the first may be an identity, which cannot be updated
	return "UPDATE postrider." + table + " SET " + column + " = " + column
}

func readsOf(table string, _ []string) string { return "SELECT count(*) FROM postrider." + table }

// traffic runs statements on all tables, over and over.
type traffic struct {
	asks chan chan time.Duration
}

// newTraffic runs a statement on each table, until the test ends.
func newTraffic(t *testing.T, url string, statement func(table string, columns []string) string) traffic {
	t.Helper()
	conn := connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	tr := traffic{asks: make(chan chan time.Duration)}
	go func() {
		defer close(done)
		var longest time.Duration
		round := func() {
			tables, err := readColumns(ctx, conn, "postrider")
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			for table, columns := range tables {
				begin := time.Now()
				_, err := conn.Exec(ctx, statement(table, columns), pgx.QueryExecModeExec)
				e, ok := errors.AsType[*pgconn.PgError](err)
				dropped := ok && e.Code == codeUndefinedTable
				if err != nil && ctx.Err() == nil && !dropped {
					t.Errorf("%s: %v", table, err)
				}
				longest = max(longest, time.Since(begin))
			}
		}
		for ctx.Err() == nil {
			select {
			case reply := <-tr.asks:
				round() // one that saw the migration committed
				reply <- longest
				longest = 0
			default:
				round()
			}
		}
	}()
	return tr
}

// stall returns the longest time that a statement took since the last call.
func (tr traffic) stall() time.Duration {
	reply := make(chan time.Duration)
	tr.asks <- reply
	return <-reply
}
