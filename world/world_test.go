package world_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/world"
	"github.com/postrider/postrider/world/worldtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }

var (
	empty = pgtest.Template(migrate)
	small = worldtest.Template(migrate)
)

func migrate(ctx context.Context, url string) error {
	return store.Migrate(ctx, store.Database{URL: url})
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// value reads one value.
func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// want checks a count.
func want(t *testing.T, conn *pgx.Conn, n int, sql string, args ...any) {
	t.Helper()
	if got := value[int](t, conn, sql, args...); got != n {
		t.Errorf("%s: %d, want %d", sql, got, n)
	}
}

// atLeast checks that a count is at least n.
func atLeast(t *testing.T, conn *pgx.Conn, n int, sql string, args ...any) {
	t.Helper()
	if got := value[int](t, conn, sql, args...); got < n {
		t.Errorf("%s: %d, want at least %d", sql, got, n)
	}
}

func TestSmallWorldHasWhatItPromises(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	w, c := load(t, conn), worldtest.Config()
	want(t, conn, c.Applications, "SELECT count(*) FROM application")
	want(t, conn, c.Endpoints, "SELECT count(*) FROM endpoint")
	want(t, conn, c.Messages, "SELECT count(*) FROM message")
	want(t, conn, c.LargeMessages, "SELECT count(*) FROM message WHERE app_id = $1", w.Large.ID)
	want(t, conn, c.WideEndpoints, "SELECT count(*) FROM endpoint WHERE app_id = $1", w.Wide.ID)
	want(t, conn, c.WideMessages, "SELECT count(*) FROM message WHERE app_id = $1", w.Wide.ID)
	attempts := 5_500_000 / 20
	if got := value[int](t, conn, "SELECT count(*) FROM attempt"); got < attempts*97/100 || got > attempts*103/100 {
		t.Errorf("%d attempts, want about %d", got, attempts)
	}
	failed := value[float64](t, conn, "SELECT avg((status = 2)::int) FROM attempt")
	if failed < 0.005 || failed > 0.04 {
		t.Errorf("%.3f of the attempts failed, want about 1 in 100, and those of what is dead", failed)
	}
	if next := value[int](t, conn, `SELECT max(n) FROM (
		SELECT count(*) AS n FROM message WHERE app_id <> $1 GROUP BY app_id) AS each`, w.Large.ID); next > c.LargeMessages/2 {
		t.Errorf("another application has %d messages", next)
	}
	for _, column := range []string{"throttle_rate", "deleted_at", "paused_until", "event_types", "channels", "uid", "nullif(fifo, false)", "nullif(disabled, false)"} {
		atLeast(t, conn, 5, "SELECT count("+column+") FROM endpoint")
	}
}

func load(t *testing.T, conn *pgx.Conn) *world.World {
	t.Helper()
	w, err := world.Load(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWorldOwesDeliveriesOfEachKind(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	w, c := load(t, conn), worldtest.Config()
	atLeast(t, conn, c.WaitingEndpoints, "SELECT count(DISTINCT endpoint_id) FROM delivery WHERE queue = 1 AND due_at > $1", w.Now)
	atLeast(t, conn, c.DeadBacklog*8/10, "SELECT count(*) FROM delivery WHERE endpoint_id = $1 AND queue = 0 AND due_at <= $2", w.DeadEndpoint, w.Now)
	atLeast(t, conn, 5, "SELECT count(*) FROM delivery WHERE queue = 2 AND endpoint_id = $1", w.FIFO)
	want(t, conn, 1, "SELECT count(*) FROM delivery WHERE queue = 2 AND endpoint_id = $1 AND attempts > 0", w.FIFO)
	want(t, conn, 0, "SELECT count(*) FROM delivery WHERE NOT EXISTS (SELECT FROM message WHERE message.app_id = delivery.app_id AND message.id = message_id AND payload IS NOT NULL)")
	want(t, conn, 0, "SELECT count(*) FROM delivery WHERE NOT EXISTS (SELECT FROM endpoint WHERE endpoint.app_id = delivery.app_id AND endpoint.id = endpoint_id AND NOT disabled AND deleted_at IS NULL)")
	want(t, conn, 0, `SELECT count(*) FROM delivery WHERE attempts <> (SELECT count(*) FROM attempt
		WHERE attempt.app_id = delivery.app_id AND attempt.message_id = delivery.message_id AND attempt.endpoint_id = delivery.endpoint_id AND status = 2)`)
}

func TestRowsAreInThePartitionsOfTheirTime(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	for _, table := range []string{"message", "attempt"} {
		want(t, conn, 0, "SELECT count(*) FROM "+table+"_default")
		want(t, conn, 1+15, "SELECT count(*) FROM pg_inherits WHERE inhparent = $1::text::regclass", table)
		want(t, conn, 10, "SELECT count(DISTINCT tableoid) FROM "+table)
		want(t, conn, 0, "SELECT count(*) FROM "+table+` WHERE to_char(date_trunc('week', created_at, 'UTC'), '_YYYYMMDD')
			<> right(tableoid::regclass::text, 9)`)
	}
}

// The history's partitions are created in another way than by the jobs.
func TestPartitionsAreLikeThoseOfTheJobs(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	const shape = `
		SELECT array_to_string(array(
			SELECT replace(pg_get_indexdef(indexrelid), $1, 'week') FROM pg_index WHERE indrelid = $1::text::regclass
			UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'
			UNION ALL SELECT concat_ws(' ', attname, attnotnull, format_type(atttypid, atttypmod), attcollation, attstorage)
				FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
			ORDER BY 1), E'\n')`
	for _, table := range []string{"message", "attempt"} {
		ours := value[string](t, conn, shape, table+"_20260921")
		jobs := value[string](t, conn, shape, table+"_20261207")
		if ours != jobs {
			t.Errorf("a partition of the history is\n%s\nthose of the jobs are\n%s", ours, jobs)
		}
	}
}

func TestParentsAreNeverAnalysed(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	want(t, conn, 2, "SELECT count(*) FROM pg_class WHERE relkind = 'p' AND reltuples = -1")
	want(t, conn, 0, "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(message|attempt|endpoint|delivery)' AND reltuples = -1")
}
