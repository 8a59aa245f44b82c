package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// late returns the result of an attempt that began at the given time.
func (w countedWorld) late(at time.Time) core.Result {
	return core.Result{Attempt: core.Attempt{
		AppID: w.app.ID, ID: core.NewAttemptID(at), MessageID: core.NewMessageID(at), EndpointID: w.endpoint.ID, CreatedAt: at,
	}}
}

// A process that was stopped in the middle of an attempt records it when it continues.
func TestStatsHaveAttemptsThatAreRecordedLate(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	queue := w.queue()
	w.counted(w.first, now())
	for n, at := range []time.Time{
		w.first.Add(26 * time.Hour), w.first.AddDate(0, 0, 3), w.first.AddDate(0, 0, 4).Add(-4 * time.Millisecond), now().Add(-countLate - time.Second),
	} {
		for _, fails := range []bool{false, true} {
			r := w.late(at)
			if fails {
				r.Attempt.Status, r.NextAt = core.StatusFail, now().Add(time.Hour)
			}
			before := w.there(w.first, now())
			if _, err := queue.DeliveryRecord(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if w.there(w.first, now()) == before {
				t.Fatal("nothing was recorded")
			}
			w.wantExact(fmt.Sprintf("late attempt %d, failed %t", n, fails), w.first, now())
			w.wantExact(fmt.Sprintf("from late attempt %d, failed %t", n, fails), at, now())
		}
	}
}

// An attempt that is recorded late during a count waits, and then deletes the counts that were stored.
func TestStatsAreNotKeptWithoutAnAttemptThatIsRecordedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	recorded := make(chan error, 1)
	at := w.first.Add(10 * time.Hour)
	c := counter{conn: w.pool, app: w.app.ID, endpoint: w.endpoint.ID, settled: core.AttemptIDAt(now().Add(-countSettled))}
	edges := countEdges(w.first, w.first.AddDate(0, 0, 1))
	if _, err := c.lookUp(t.Context(), edges); err != nil {
		t.Fatal(err)
	}
	c.conn = afterReading{w.pool, func() {
		go func() {
			_, err := w.queue().DeliveryRecord(context.WithoutCancel(t.Context()), w.late(at))
			recorded <- err
		}()
		w.awaitLock()
	}}
	if _, _, err := c.step(t.Context(), edges[0], edges[0].kept); err != nil {
		t.Fatal(err)
	}
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	w.wantExact("afterwards", w.first, w.first.AddDate(0, 0, 1))
}

// afterReading is a pool whose transactions call act after they have counted.
type afterReading struct {
	counterPool
	act func()
}

type afterReadingTx struct {
	pgx.Tx
	act func()
}

func (a afterReading) Begin(ctx context.Context) (pgx.Tx, error) {
	t, err := a.counterPool.Begin(ctx)
	return afterReadingTx{t, a.act}, err
}

func (a afterReadingTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	a.act() // it is about to store the counts
	return a.Tx.Exec(ctx, sql, args...)
}

// While an attempt is being recorded late, a request is answered but stores no counts.
func TestStatsAreAnsweredWhileAnAttemptIsRecordedLate(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	err := transact(t.Context(), w.pool, func(under pgx.Tx) error {
		_, err := queries.AttemptCountLock(t.Context(), under, db.AttemptCountLockParams{AppID: string(w.app.ID), EndpointID: string(w.endpoint.ID)})
		w.wantExact("meanwhile", w.first, now())
		return err
	})
	if n := w.keptCounts(); n != 0 || err != nil {
		t.Errorf("%d counts are kept, %v", n, err)
	}
}

// Attempts that may still be recorded without deleting any count are not part of a stored count.
func TestStatsKeepNothingThatMayChange(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	w.attempt(w.endpoint, now().Add(-countLate), countLate, countedMany)
	w.wantExact("before", w.first, now())
	if _, err := w.queue().DeliveryRecord(t.Context(), w.late(now().Add(-countLate+time.Minute))); err != nil {
		t.Fatal(err)
	}
	w.wantExact("after", w.first, now())
}
