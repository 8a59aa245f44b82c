package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestAStepReadsOneBatch keeps a step of a task from reading more than its batch, however much there is before and
// after it, both on tables that Postgres assumes to be empty and on analyzed ones.
func TestAStepReadsOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.addMessages(w.app.ID, 4_000, past())
	w.addAttempts(e, 500, ids...)
	w.addAttempts(other, 200, ids...)
	w.exec("INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease) SELECT app_id, id, $1, now(), 0 FROM message WHERE id < $2", e.ID, ids[1_000])
	for _, looked := range []bool{false, true} {
		if looked {
			w.exec("ANALYZE")
		}
		for name, step := range w.batches(e) {
			plans := w.plans(t, step, core.MessageRange{
				After: string(ids[1_999]), Before: string(core.MessageIDAt(now())), Limit: 100,
				FirstAttempt: core.AttemptIDAt(past().Add(-time.Hour)),
			})
			// For each of 100 messages: the message, in the page and by its id, its delivery, attempts at two endpoints, and
			// the rows written.
			planCase{name: fmt.Sprintf("%s, looked at: %t", name, looked), most: 100 * 8}.judge(t, plans)
		}
	}
}

// batches returns the statements of steps. Each of them handles every message of its range.
func (w *world) batches(e core.Endpoint) map[string]func(tx, core.MessageRange) (core.TaskBatch, error) {
	ctx, app, at := w.t.Context(), w.app.ID, now()
	fresh := w.addEndpoint(nil)
	return map[string]func(tx, core.MessageRange) (core.TaskBatch, error){
		"recover": func(t tx, r core.MessageRange) (core.TaskBatch, error) {
			return t.DeliveryRecoverMany(ctx, app, e.ID, r, at)
		},
		"replay missing": func(t tx, r core.MessageRange) (core.TaskBatch, error) {
			return t.DeliveryReplayMissingMany(ctx, app, fresh.ID, r, at)
		},
		"bulk replay": func(t tx, r core.MessageRange) (core.TaskBatch, error) {
			return t.DeliveryReplayMany(ctx, app, e.ID, core.TaskParameters{CodeFrom: 500, CodeTo: 599}, r, at)
		},
		"purge": func(t tx, r core.MessageRange) (core.TaskBatch, error) { return t.MessagePurgeMany(ctx, app, r) },
		"usage": func(t tx, r core.MessageRange) (core.TaskBatch, error) { return t.DestinationCountMany(ctx, app, r) },
	}
}

// plans runs a step twice, once to get its plan, and rolls both back.
func (w *world) plans(t *testing.T, step func(tx, core.MessageRange) (core.TaskBatch, error), r core.MessageRange) string {
	t.Helper()
	under, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), under)
	e := &explained{DBTX: under}
	batch, err := step(tx{reader{conn: e}}, r)
	if err != nil || batch.Processed != 100 || batch.NextAfter == "" || len(e.plans) == 0 {
		t.Fatalf("%+v, %v, %d plans", batch, err, len(e.plans))
	}
	return e.plans[0] // an announcement may follow it
}
