package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// query reads one row of the service's database, as its operator would.
func query(t testing.TB, database, statement string, into ...any) {
	t.Helper()
	conn := must(pgx.Connect(t.Context(), database))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	done(t, conn.QueryRow(t.Context(), statement).Scan(into...))
}

// execute runs statements on the service's database, as its operator would.
func execute(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn := must(pgx.Connect(t.Context(), database))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		must(conn.Exec(t.Context(), statement))(t)
	}
}

const (
	// snapshotHeld keeps every row version that was visible to it: nothing deleted since can be vacuumed,
	// and no index entry of it is marked as dead.
	snapshotHeld = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"
	// writeHeld has a transaction id, which stays in the list of those in progress of every snapshot.
	writeHeld = "BEGIN; CREATE TABLE stranger (n int); INSERT INTO stranger VALUES (1)"
)

// hold runs statements in a session of a stranger and keeps its transaction open until the test ends.
func hold(t testing.TB, database, statements string) {
	t.Helper()
	conn := must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	must(conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol))(t)
}

// reading is what the database has read so far to find deliveries.
type reading struct {
	arrived int   // webhooks
	tuples  int64 // index entries and rows that scans of the table went through
	blocks  int64 // of the table and its indexes; vacuums are among their readers
}

// readOf is what has been read of the tables of deliveries. A session reports what it read a second
// after its transactions, so that a difference is worth something only over many seconds of work.
func readOf(t testing.TB, database string, r *receiver) reading {
	t.Helper()
	read := reading{arrived: len(r.all())}
	query(t, database, `
		SELECT
			(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%'),
			(SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(heap_blks_hit + heap_blks_read) FROM pg_statio_user_tables WHERE relname LIKE 'delivery%')`,
		&read.tuples, &read.blocks)
	return read
}

// cost is what one delivery took to find.
type cost struct{ tuples, blocks float64 }

func (c cost) String() string { return fmt.Sprintf("%.1f tuples and %.1f blocks", c.tuples, c.blocks) }

// since is what each webhook cost that arrived after an earlier reading.
func (r reading) since(earlier reading) cost {
	arrived := float64(r.arrived - earlier.arrived)
	return cost{float64(r.tuples-earlier.tuples) / arrived, float64(r.blocks-earlier.blocks) / arrived}
}

// awaitArrivals waits until n webhooks have arrived.
func (r *receiver) awaitArrivals(t testing.TB, n int) {
	t.Helper()
	await(t, func() string {
		if got := len(r.all()); got < n {
			return fmt.Sprintf("%d of %d webhooks have arrived", got, n)
		}
		return ""
	})
}

// window is what the deliveries cost until n more webhooks have arrived.
func window(t testing.TB, database string, r *receiver, n int) cost {
	t.Helper()
	begin := readOf(t, database, r)
	r.awaitArrivals(t, begin.arrived+n)
	return readOf(t, database, r).since(begin)
}

// costGrowth is how many times as much a delivery may cost in the end as in the beginning. What reads
// all that is dead, or waits, reads hundreds of times as much.
const costGrowth = 3

// costSlack is so little that its growth does not matter: a few probes more to a delivery, where there are more queues.
const costSlack = 30

// bounded wants a delivery to cost no more than a few times what it cost before.
func bounded(t testing.TB, when string, before, now cost) {
	t.Helper()
	t.Logf("%s, a delivery costs %s", when, now)
	if limit := costGrowth*before.tuples + costSlack; now.tuples > limit {
		t.Errorf("%s, a delivery costs %s, want at most %.1f tuples; before, it cost %s", when, now, limit, before)
	}
}
