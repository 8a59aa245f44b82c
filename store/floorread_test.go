package store

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// Statements about one queue do not read the queues after it. With a row comparison as the upper bound, Postgres reads
// the index to its end to find that nothing is left before the bound: a look took half a second beside a backlog of
// 250,000 deliveries.
func TestQueuesBehindAreNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var known []floor
	for range 10 {
		e := w.addEndpoint(nil)
		w.oweWaiting(e, core.QueueFirst, now())
		known = append(known, floor{Queue: core.Queue{EndpointID: e.ID}})
	}
	f := floors{all: known}
	statements := map[string]func(context.Context, db.DBTX) error{
		"look": func(ctx context.Context, conn db.DBTX) error {
			p := f.from(core.Queue{}, now())
			p.MaxQueues, p.Now = int32(len(known)), now()
			_, err := queries.DeliveryOwedListAnyTenant(ctx, conn, p)
			return err
		},
		"drop": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryDropByEndpoint(ctx, conn, db.DeliveryDropByEndpointParams{
				AppID: w.app.ID, EndpointID: string(known[0].EndpointID), MaxRows: 100,
			})
			return err
		},
	}
	before := map[string]int{}
	for name, run := range statements {
		before[name] = w.buffersRead(t, name, run)
	}
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, state)
		SELECT $1, 'msg_' || n, 'ep_~' || n % 100, now() - n * interval '1 ms', 0, 'waiting' FROM generate_series(1, 20000) AS n`, w.app.ID)
	for name, run := range statements {
		// The index has another level, which each look into it passes.
		if after := w.buffersRead(t, name, run); after > 3*before[name] {
			t.Errorf("%s: %d buffers with 20,000 deliveries in the queues behind, %d without", name, after, before[name])
		}
	}
}

// buffersRead returns how many pages a statement reads, and rolls it back.
func (w *world) buffersRead(t *testing.T, name string, run func(context.Context, db.DBTX) error) int {
	t.Helper()
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(w.planOf(t, name, run)), &plans); err != nil {
		t.Fatal(err)
	}
	return catalog{}.summarize(plans[0].Plan).buffers
}
