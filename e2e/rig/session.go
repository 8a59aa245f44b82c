package rig

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Query reads one row of the service's database, as its operator would.
func Query(t testing.TB, database, statement string, into ...any) {
	t.Helper()
	conn := Must(pgx.Connect(t.Context(), database))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	NoError(t, conn.QueryRow(t.Context(), statement).Scan(into...))
}

// Execute runs statements on the service's database, as its operator would.
func Execute(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn := Must(pgx.Connect(t.Context(), database))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		Must(conn.Exec(t.Context(), statement))(t)
	}
}

const (
	// SnapshotHeld retains every row version that was visible to it: nothing deleted since can be vacuumed, and no index
	// entry that points to it is marked dead.
	SnapshotHeld = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"
	// WriteHeld has a transaction id, which every snapshot lists as in progress.
	WriteHeld = "BEGIN; CREATE TABLE stranger (n int); INSERT INTO stranger VALUES (1)"
)

// Hold runs statements in a separate session and keeps its transaction open until the test ends.
func Hold(t testing.TB, database, statements string) {
	t.Helper()
	conn := Must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	Must(conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol))(t)
}

// reading is how much the database has read so far to find deliveries.
type reading struct {
	arrived int   // webhooks received
	tuples  int64 // index entries and rows that scans of the table read
	blocks  int64 // of the table and its indexes, including those read by vacuum
}

// readOf returns how much has been read from the delivery tables. A session reports its reads a second after its
// transactions, so a difference is only meaningful over many seconds of work.
func readOf(t testing.TB, database string, r *Receiver) reading {
	t.Helper()
	read := reading{arrived: len(r.All())}
	Query(t, database, `
		SELECT
			(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%'),
			(SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(heap_blks_hit + heap_blks_read) FROM pg_statio_user_tables WHERE relname LIKE 'delivery%')`,
		&read.tuples, &read.blocks)
	return read
}

// Cost is how much Postgres read to find one delivery, on average.
type Cost struct{ tuples, blocks float64 }

func (c Cost) String() string { return fmt.Sprintf("%.1f tuples and %.1f blocks", c.tuples, c.blocks) }

// since returns the average cost of the webhooks that arrived after an earlier reading.
func (r reading) since(earlier reading) Cost {
	arrived := float64(r.arrived - earlier.arrived)
	return Cost{float64(r.tuples-earlier.tuples) / arrived, float64(r.blocks-earlier.blocks) / arrived}
}

// AwaitArrivals waits until n webhooks have arrived.
func (r *Receiver) AwaitArrivals(t testing.TB, n int) {
	t.Helper()
	Await(t, func() string {
		if got := len(r.All()); got < n {
			return fmt.Sprintf("%d of %d webhooks have arrived", got, n)
		}
		return ""
	})
}

// MeasureCost waits for n more webhooks and returns their average cost.
func MeasureCost(t testing.TB, database string, r *Receiver, n int) Cost {
	t.Helper()
	begin := readOf(t, database, r)
	r.AwaitArrivals(t, begin.arrived+n)
	return readOf(t, database, r).since(begin)
}

// costGrowth is the largest accepted ratio of a delivery's cost at the end to that at the beginning. A query that
// reads all dead or all waiting rows reads hundreds of times as much.
const costGrowth = 3

// costSlack is a cost whose growth does not matter: more queues need a few more probes per delivery.
const costSlack = 30

// WantBounded fails if a delivery now costs more than a few times what it did before.
func WantBounded(t testing.TB, when string, before, now Cost) {
	t.Helper()
	t.Logf("%s, a delivery costs %s", when, now)
	if limit := costGrowth*before.tuples + costSlack; now.tuples > limit {
		t.Errorf("%s, a delivery costs %s, want at most %.1f tuples; before, it cost %s", when, now, limit, before)
	}
}
