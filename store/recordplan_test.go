package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// TestDeliveriesAreLookedUpOneByOne checks plans on tables without statistics or with those of empty tables, which a
// process has at its first start. A plan that uses the endpoint reads everything that is owed to it each time: only
// half of the possible deliveries were made, after a minute.
func TestDeliveriesAreLookedUpOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addMessages(w.app.ID, 4_000, past())
	w.exec("INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease) SELECT app_id, id, $1, now() - interval '1 s', 0 FROM message", e.ID)
	// A hundred lanes of ten deliveries, which claims do not see.
	w.exec(`UPDATE delivery SET queue = 3, subject = lpad((n % 100)::text, 3, '0'), place = n
		FROM (SELECT message_id, row_number() OVER (ORDER BY message_id DESC) AS n FROM delivery) AS numbered
		WHERE delivery.message_id = numbered.message_id AND n <= 1000`)
	deliveries := w.claim(room())
	for _, looked := range []bool{false, true} {
		if looked {
			w.exec("ANALYZE")
		}
		for name, run := range w.aboutDeliveries(e, deliveries) {
			w.lookedAt(t, name, run)
		}
		for name, run := range w.aboutLanes(e, deliveries) {
			w.lookedAt(t, name, run)
		}
	}
}

// aboutDeliveries returns the statements about a hundred deliveries to an endpoint.
func (w *world) aboutDeliveries(e core.Endpoint, deliveries []core.Delivery) map[string]func(context.Context, db.DBTX) error {
	var results []core.Result
	for i, d := range deliveries {
		next := time.Time{}
		if i%2 == 0 {
			next = now()
		}
		results = append(results, result(d, next))
	}
	release := db.DeliveryReleaseManyParams{Now: now()}
	for _, d := range deliveries {
		release.AppIDs, release.MessageIDs = append(release.AppIDs, string(d.AppID)), append(release.MessageIDs, string(d.MessageID))
		release.EndpointIDs, release.Leases = append(release.EndpointIDs, string(d.EndpointID)), append(release.Leases, d.Lease)
	}
	late := make([]postponed, len(deliveries))
	for i, d := range deliveries {
		late[i] = postponed{d, now()}
	}
	return map[string]func(context.Context, db.DBTX) error{
		"record": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryRecordMany(ctx, conn, recordParams(results, testRules, now()))
			return err
		},
		"finish": func(ctx context.Context, conn db.DBTX) error {
			_, err := finish(ctx, conn, results)
			return err
		},
		"postpone": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryPostponeMany(ctx, conn, postponeParams(late))
			return err
		},
		"claim": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryClaimManyAnyTenant(ctx, conn, db.DeliveryClaimManyAnyTenantParams{
				EndpointIDs: []string{string(e.ID)}, Queues: []int16{0}, Limits: []int32{100}, Room: 100, MaxRows: 100,
				Sinces: []time.Time{{}}, Seqs: []int64{0},
				Now: now(), LeasedUntil: now().Add(time.Minute),
			})
			return err
		},
		"drop": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryDropUnsendableManyAnyTenant(ctx, conn, db.DeliveryDropUnsendableManyAnyTenantParams{
				AppIDs: release.AppIDs, MessageIDs: release.MessageIDs, EndpointIDs: release.EndpointIDs,
				Now: now().Add(24 * time.Hour), // all are due, and expired
			})
			return err
		},
		"what is owed": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryOwedListAnyTenant(ctx, conn, owedList(now(), core.QueueFirst))
			return err
		},
		"due": func(ctx context.Context, conn db.DBTX) error {
			_, err := queries.DeliveryDueMany(ctx, conn, db.DeliveryDueManyParams{AppID: w.app.ID, EndpointID: string(e.ID), MessageIDs: release.MessageIDs})
			return err
		},
	}
}

// aboutLanes returns the statements about a hundred lanes.
func (w *world) aboutLanes(e core.Endpoint, deliveries []core.Delivery) map[string]func(context.Context, db.DBTX) error {
	lanes := make([]core.Lane, 100)
	for i := range lanes {
		lanes[i] = core.Lane{EndpointID: e.ID, Subject: fmt.Sprintf("%03d", i)}
	}
	var messages []core.Sequenced
	for i, d := range deliveries {
		messages = append(messages, core.Sequenced{AppID: d.AppID, MessageID: d.MessageID, Subject: string(d.MessageID), Place: int64(i)})
	}
	return map[string]func(context.Context, db.DBTX) error{
		"sequence": func(ctx context.Context, conn db.DBTX) error {
			return tx{reader{conn: conn}}.DeliverySequenceMany(ctx, messages)
		},
		"follow": func(ctx context.Context, conn db.DBTX) error { return follow(ctx, conn, lanes, now()) },
		"lanes": func(ctx context.Context, conn db.DBTX) error {
			_, _, err := tx{reader{conn: conn}}.DeliveryLaneList(ctx, core.Lane{}, 100)
			return err
		},
	}
}

// lookedAt runs a statement about a hundred deliveries, checks its plan and rolls the statement back.
func (w *world) lookedAt(t *testing.T, name string, run func(context.Context, db.DBTX) error) {
	t.Helper()
	// Each delivery once or twice, its endpoint and message, and the rows written.
	planCase{name: name, most: 100 * 8}.judge(t, w.planOf(t, name, run))
}

// planOf runs a statement, returns its plan and rolls the statement back.
func (w *world) planOf(t *testing.T, name string, run func(context.Context, db.DBTX) error) string {
	t.Helper()
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(context.Background(), tx)
	e := &explained{DBTX: tx}
	if err := run(t.Context(), e); err != nil || len(e.plans) != 1 {
		t.Fatalf("%s: %v, %d plans", name, err, len(e.plans))
	}
	return e.plans[0]
}
