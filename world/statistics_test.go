package world_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/world"
)

func TestForcedStatisticsAreThoseOfTheTableAndItsIndexes(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	for _, s := range []world.Statistics{world.VacuumedEmpty, world.AlmostEmpty, world.VacuumedSparse} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := world.ForceStatistics(t.Context(), tx, "delivery", s); err != nil {
			t.Fatal(err)
		}
		want(t, tx.Conn(), 0, `SELECT count(*) FROM pg_class
			WHERE (oid = 'delivery'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'delivery'::regclass))
				AND (relpages <> $1 OR reltuples <> $2)`, s.Pages, s.Rows)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(t, conn, 0, "SELECT count(*) FROM pg_class WHERE oid = 'delivery'::regclass AND (reltuples < 100 OR reloptions::text ~ 'autovacuum_enabled')")
	if err := world.ForceStatistics(t.Context(), conn, "nobody", world.AlmostEmpty); err == nil {
		t.Error("statistics of no table were forced")
	}
}

func TestVacuumEmptyKeepsTheRows(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.New(t))
	rows := value[int](t, conn, "SELECT count(*) FROM delivery")
	sum := value[int](t, conn, "SELECT sum(hashtext(delivery::text)) FROM delivery")
	if err := world.VacuumEmpty(t.Context(), conn, "delivery"); err != nil {
		t.Fatal(err)
	}
	want(t, conn, rows, "SELECT count(*) FROM delivery")
	want(t, conn, 0, "SELECT reltuples::int FROM pg_class WHERE oid = 'delivery'::regclass")
	atLeast(t, conn, 1, "SELECT relpages FROM pg_class WHERE oid = 'delivery'::regclass")
	want(t, conn, sum, "SELECT sum(hashtext(delivery::text)) FROM delivery")
}

func TestDueRetriesAreSpreadOverEndpoints(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.New(t))
	w := load(t, conn)
	before := value[int](t, conn, "SELECT count(*) FROM delivery")
	n, err := world.AddDue(t.Context(), conn, w.Now, 8000, 200)
	if err != nil || n != 8000 {
		t.Fatalf("%d due retries were added, %v", n, err)
	}
	want(t, conn, before+8000, "SELECT count(*) FROM delivery")
	atLeast(t, conn, 200, "SELECT count(DISTINCT endpoint_id) FROM delivery WHERE queue = 1 AND due_at <= $1", w.Now)
	want(t, conn, 0, `SELECT count(*) FROM delivery WHERE due_at <= $1 AND queue = 1 AND NOT EXISTS (
		SELECT FROM message WHERE message.app_id = delivery.app_id AND message.id = message_id AND payload IS NOT NULL)`, w.Now)
}

var _ world.Conn = pgx.Tx(nil)
