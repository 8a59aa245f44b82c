package store

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// send stores n messages whose deliveries are waiting and due.
func (w *world) send(n int) []core.MessageID {
	w.t.Helper()
	ids := w.store(n)
	w.exec("UPDATE delivery SET state = 'waiting' WHERE state = 'fresh'")
	return ids
}

// store stores n messages without a dispatcher, so that their deliveries are fresh.
func (w *world) store(n int) []core.MessageID {
	w.t.Helper()
	inserter := NewMessageInserter(w.Store, nil)
	ids := make([]core.MessageID, n)
	for i := range ids {
		m, err := inserter.MessageInsert(w.t.Context(), w.event(nil))
		if err != nil {
			w.t.Fatal(err)
		}
		ids[i] = m.ID
	}
	return ids
}

// claim takes fresh deliveries and claims due ones with the given room, starting at the first endpoint.
func (w *world) claim(room core.Room) []core.Delivery {
	w.t.Helper()
	return w.claimAt(room, now()).Deliveries
}

func (w *world) claimAt(room core.Room, at time.Time) core.Claim {
	w.t.Helper()
	taken := w.take(room, at).Deliveries
	if _, err := w.queue().DeliveryExpire(w.t.Context(), at); err != nil {
		w.t.Fatal(err)
	}
	room.Total -= len(taken)
	claim, err := w.queue().DeliveryClaim(w.t.Context(), room, core.Queue{}, at)
	if err != nil {
		w.t.Fatal(err)
	}
	claim.Deliveries = append(taken, claim.Deliveries...)
	return claim
}

// testRules have limits that a test can reach.
var testRules = core.HealthRules{CircuitFailures: 5, CircuitWait: time.Minute, DisableAfter: time.Hour, DisableFailures: 3}

// queue returns a worker's queue whose looks begin at floors as soon as anything was claimed.
func (w *world) queue() *DeliveryQueue {
	if w.worker == nil {
		w.worker = NewDeliveryQueue(w.Store, testRules)
		w.worker.floors.worth = 1
	}
	return w.worker
}

// result is the result of an attempt: success, or a failure that is retried at next.
func result(d core.Delivery, next time.Time) core.Result {
	r := core.Result{
		Attempt: core.Attempt{
			AppID: d.AppID, ID: core.NewAttemptID(now()), MessageID: d.MessageID, EndpointID: d.EndpointID,
			URL: d.URL, Status: core.StatusSuccess, ResponseStatusCode: 204, DurationMS: 7, CreatedAt: now(),
		},
		Lease: d.Lease, Attempts: d.Attempts + 1, NextAt: next, Failing: d.Failing,
	}
	if !next.IsZero() {
		r.Attempt.Status, r.Attempt.ResponseStatusCode, r.Attempt.Response = core.StatusFail, 500, "no"
	}
	return r
}

func (w *world) record(r core.Result) bool {
	w.t.Helper()
	return w.recordWith(testRules, r).Held
}

func (w *world) recordWith(rules core.HealthRules, r core.Result) core.Recorded {
	w.t.Helper()
	recorded, err := NewDeliveryQueue(w.Store, rules).DeliveryRecord(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return recorded
}

func TestDeletingTakesWhatIsOwedAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(2)
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, w.app.ID, e.ID, now()) })
	if got, want := w.owed(), (map[core.EndpointID]int{other.ID: 2}); !maps.Equal(got, want) {
		t.Errorf("owed %v, want %v", got, want)
	}
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, testOrg, w.app.ID, now())
	})
	if got := w.owed(); len(got) != 0 {
		t.Errorf("owed %v by no application", got)
	}
}

func TestAReleasedLeaseIsDueAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(2)
	claimed := w.claim(room())
	if err := w.queue().DeliveryRelease(t.Context(), claimed[:1], now()); err != nil {
		t.Fatal(err)
	}
	again := w.claim(room())
	if len(again) != 1 || again[0].MessageID != claimed[0].MessageID {
		t.Fatalf("claimed %+v after a release of %+v", again, claimed[:1])
	}
	if err := w.queue().DeliveryRelease(t.Context(), claimed[:1], now()); err != nil {
		t.Fatal(err)
	}
	if stolen := w.claim(room()); len(stolen) != 0 {
		t.Error("a lease that was no longer held was released")
	}
}

func TestATransactionWhoseProcessIsFrozenEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if timeout := value[string](w, "SHOW idle_in_transaction_session_timeout"); timeout != idleInTransaction {
		t.Errorf("idle_in_transaction_session_timeout is %s", timeout)
	}
}
