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
	// SnapshotHeld keeps every row version that was visible to it: nothing deleted since can be vacuumed,
	// and no index entry of it is marked as dead.
	SnapshotHeld = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"
	// WriteHeld has a transaction id, which stays in the list of those in progress of every snapshot.
	WriteHeld = "BEGIN; CREATE TABLE stranger (n int); INSERT INTO stranger VALUES (1)"
)

// Hold runs statements in a session of its own and keeps the transaction open until the test ends.
func Hold(t testing.TB, database, statements string) {
	t.Helper()
	conn := Must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	Must(conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol))(t)
}

// reading is what the database has read so far to find deliveries.
type reading struct {
	arrived int   // webhooks
	tuples  int64 // index entries and rows that scans of the table went through
	blocks  int64 // of the table and its indexes; vacuums are among their readers
}

// readOf is what has been read of the tables of deliveries. A session reports what it read a second
// after its transactions, so that a difference is worth something only over many seconds of work.
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

// Cost is what Postgres read to find one delivery, on average.
type Cost struct{ tuples, blocks float64 }

func (c Cost) String() string { return fmt.Sprintf("%.1f tuples and %.1f blocks", c.tuples, c.blocks) }

// since is what each webhook cost that arrived after an earlier reading.
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

// MeasureCost waits for n more webhooks, and returns their cost.
func MeasureCost(t testing.TB, database string, r *Receiver, n int) Cost {
	t.Helper()
	begin := readOf(t, database, r)
	r.AwaitArrivals(t, begin.arrived+n)
	return readOf(t, database, r).since(begin)
}

// costGrowth is how many times as much a delivery may cost in the end as in the beginning. What reads
// all that is dead, or waits, reads hundreds of times as much.
const costGrowth = 3

// costSlack is so little that its growth does not matter: a few probes more to a delivery, where there are more queues.
const costSlack = 30

// WantBounded fails if a delivery costs more than a few times what it cost before.
func WantBounded(t testing.TB, when string, before, now Cost) {
	t.Helper()
	t.Logf("%s, a delivery costs %s", when, now)
	if limit := costGrowth*before.tuples + costSlack; now.tuples > limit {
		t.Errorf("%s, a delivery costs %s, want at most %.1f tuples; before, it cost %s", when, now, limit, before)
	}
}
