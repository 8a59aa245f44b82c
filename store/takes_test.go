package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// Many processes store, in transactions of any length, some of which are rolled back, and many processes take.
func TestTakesTakeEachFreshDeliveryOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	const storers, takers, transactions = 6, 3, 30
	var storing, taking sync.WaitGroup
	for range storers {
		storing.Go(func() { w.oweInTransactions(e, transactions) })
	}
	var mu sync.Mutex
	taken := map[core.MessageID]int{}
	stored := make(chan struct{})
	go func() { storing.Wait(); close(stored) }()
	for range takers {
		taking.Go(func() {
			for last := false; ; {
				some := w.take(takeRoom(1+rand.IntN(40)), now())
				mu.Lock()
				for _, d := range some.Deliveries {
					taken[d.MessageID]++
				}
				mu.Unlock()
				if last && !some.More && !some.Busy && len(some.Deliveries) == 0 {
					return
				}
				select {
				case <-stored:
					last = true
				default:
				}
			}
		})
	}
	taking.Wait()
	if states := w.states(); states["leased"] != storers*transactions*3 || states["fresh"] != 0 || len(taken) != storers*transactions*3 {
		t.Errorf("%d were taken; %v", len(taken), states)
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", id, n)
		}
	}
}

// oweInTransactions creates three deliveries in each of n transactions. One transaction at a time may stay open for a
// while.
func (w *world) oweInTransactions(e core.Endpoint, n int) {
	var open pgx.Tx
	for i := range n {
		tx := w.begin()
		owe(w.t, tx, e, 3)
		switch {
		case i%7 == 3 && rand.IntN(2) == 0:
			_ = tx.Rollback(w.t.Context())
			owe(w.t, w.pool, e, 3)
		case i%7 == 3 && open == nil:
			open = tx
		default:
			w.commit(tx)
		}
		if i%5 == 4 && open != nil {
			w.commit(open)
			open = nil
		}
	}
	if open != nil {
		w.commit(open)
	}
}

// While a transaction holds a snapshot, deliveries that were made cannot be removed from the table and its indexes. A
// take must not scan them, whatever the statistics say.
func TestTakeUnderASnapshotReadsLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	holder, err := w.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(context.WithoutCancel(t.Context()), holder)
	if _, err := holder.Exec(t.Context(), "SELECT FROM delivery"); err != nil {
		t.Fatal(err)
	}
	writer := w.begin() // and a long transaction that writes
	owe(t, writer, e, 1)
	const each = 50
	owe(t, w.pool, e, each)
	first := w.takeBlocks(each)
	w.deliver(each)
	for range 60 {
		owe(t, w.pool, e, each)
		w.deliver(each)
	}
	for range 1000 { // positions of takes that found little
		w.exec("WITH latest AS (DELETE FROM delivery_position RETURNING *) INSERT INTO delivery_position SELECT id + 1, snapshot FROM latest")
	}
	owe(t, w.pool, e, each)
	for name, statistics := range map[string]string{
		"as they are":   "SELECT",
		"empty":         "UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relname LIKE 'delivery%'",
		"33 pages":      "UPDATE pg_class SET reltuples = 1, relpages = 33 WHERE relname LIKE 'delivery%'",
		"1,000 pages":   "UPDATE pg_class SET reltuples = 50, relpages = 1000 WHERE relname LIKE 'delivery%'",
		"generic plans": "SET LOCAL plan_cache_mode = force_generic_plan",
	} {
		if read := w.takeBlocks(each, statistics); read > 3*first {
			t.Errorf("%s: a take of %d reads %d blocks, and the first one %d", name, each, read, first)
		}
	}
}

// takeBlocks returns how many blocks a take reads. It rolls the take back.
func (w *world) takeBlocks(n int, settings ...string) int {
	w.t.Helper()
	tx := w.begin()
	defer rollback(context.WithoutCancel(w.t.Context()), tx)
	for _, setting := range settings {
		if _, err := tx.Exec(w.t.Context(), setting); err != nil {
			w.t.Fatal(err)
		}
	}
	b := &blocks{DBTX: tx, t: w.t}
	p := takeParams(takeRoom(n), now())
	if _, err := queries.DeliveryTakeManyAnyTenant(w.t.Context(), b, p); err != nil {
		w.t.Fatal(err)
	}
	return b.read
}

// deliver takes n deliveries and makes them.
func (w *world) deliver(n int) {
	w.t.Helper()
	taken := w.take(takeRoom(n), now()).Deliveries
	if len(taken) != n {
		w.t.Fatalf("took %d, want %d", len(taken), n)
	}
	var results []core.Result
	for _, d := range taken {
		results = append(results, result(d, time.Time{}))
	}
	if rows, err := finish(w.t.Context(), w.pool, results); err != nil || len(rows) != n {
		w.t.Fatalf("%d recorded, %v", len(rows), err)
	}
}
