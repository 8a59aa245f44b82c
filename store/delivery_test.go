package store

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// send stores n messages whose deliveries wait and are due.
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

// claim takes what is fresh and claims what is due with that room, from the first endpoint on.
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

// testRules are such that a test reaches them.
var testRules = core.HealthRules{CircuitFailures: 5, CircuitWait: time.Minute, DisableAfter: time.Hour, DisableFailures: 3}

// queue is the queue of a worker, whose looks begin at floors as soon as anything was claimed.
func (w *world) queue() *DeliveryQueue {
	if w.worker == nil {
		w.worker = NewDeliveryQueue(w.Store, testRules)
		w.worker.floors.worth = 1
	}
	return w.worker
}

// result is what a delivery ends with: success, or another try at next.
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

func TestAClaimHasAllItTakesToSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	r := room()
	got := w.claim(r)
	if len(got) != 1 {
		t.Fatalf("claimed %d deliveries", len(got))
	}
	d := got[0]
	if d.AppID != w.app.ID || d.MessageID != id || d.EndpointID != e.ID || d.Lease != 1 || d.Attempts != 0 ||
		d.URL != e.URL || d.Secrets[0].Text() != e.Secret.Text() || d.Headers["X-Team"] != "billing" ||
		d.Payload != `{"a": 1}` || !d.LeasedUntil.Equal(r.LeasedUntil) {
		t.Errorf("claimed %+v", d)
	}
	if again := w.claim(room()); len(again) != 0 {
		t.Errorf("claimed again under a lease: %+v", again)
	}
}

func TestALeaseThatRanOutIsClaimedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	r := room()
	r.LeasedUntil = now().Add(-time.Millisecond)
	first := w.claim(r)
	second := w.claim(room())
	if len(first) != 1 || len(second) != 1 || second[0].Lease != first[0].Lease+1 {
		t.Fatalf("claimed %+v, then %+v", first, second)
	}
	if w.record(result(first[0], time.Time{})) {
		t.Error("a result was taken from the lease that ran out")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("the result of a lease that ran out left %d deliveries, want the new owner's", n)
	}
	if w.record(result(first[0], now().Add(time.Hour))) {
		t.Error("a retry was taken from the lease that ran out")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE attempts = 0"); n != 1 {
		t.Error("a retry of a lease that ran out changed the new owner's delivery")
	}
	if !w.record(result(second[0], time.Time{})) {
		t.Error("the result of the lease that holds was not taken")
	}
	if attempts := value[int](w, "SELECT count(*) FROM attempt"); attempts != 3 {
		t.Errorf("%d attempts are written down, want all 3 that were made", attempts)
	}
}

func TestClaimsGoFromEndpointToEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second, third := w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(10)
	perEndpoint := func(deliveries []core.Delivery) map[core.EndpointID]int {
		counts := map[core.EndpointID]int{}
		for _, d := range deliveries {
			counts[d.EndpointID]++
		}
		return counts
	}
	r := room()
	r.PerEndpoint, r.Full = 4, []core.EndpointID{third.ID}
	if got, want := perEndpoint(w.claim(r)), (map[core.EndpointID]int{first.ID: 4, second.ID: 4}); !maps.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	r = core.Room{Total: 3, PerEndpoint: 3, LeasedUntil: now().Add(time.Minute)}
	var after core.Queue
	total := map[core.EndpointID]int{}
	for range 3 {
		claim, err := w.queue().DeliveryClaim(t.Context(), r, after, now())
		if err != nil {
			t.Fatal(err)
		}
		after = claim.Next
		for id, n := range perEndpoint(claim.Deliveries) {
			total[id] += n
		}
	}
	if want := (map[core.EndpointID]int{first.ID: 3, second.ID: 3, third.ID: 3}); !maps.Equal(total, want) {
		t.Errorf("three claims of three took %v, want %v", total, want)
	}
}

func TestTwoWorkersNeverClaimTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.addEndpoint(nil)
	w.send(100)
	type key struct {
		m core.MessageID
		e core.EndpointID
	}
	var mu sync.Mutex
	claimed := map[key]int{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			r := core.Room{Total: 7, PerEndpoint: 5, LeasedUntil: now().Add(time.Minute)}
			for after, empty := (core.Queue{}), 0; empty < 2; {
				claim, err := w.queue().DeliveryClaim(t.Context(), r, after, now())
				if err != nil {
					t.Error(err)
					return
				}
				after = claim.Next
				if len(claim.Deliveries) == 0 && after == (core.Queue{}) {
					empty++
				}
				mu.Lock()
				for _, d := range claim.Deliveries {
					claimed[key{d.MessageID, d.EndpointID}]++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, d := range w.claim(core.Room{Total: 1000, PerEndpoint: 1000, LeasedUntil: now().Add(time.Minute)}) {
		claimed[key{d.MessageID, d.EndpointID}]++ // what every worker skipped because another had it locked
	}
	for k, n := range claimed {
		if n != 1 {
			t.Errorf("%v was claimed %d times", k, n)
		}
	}
	if len(claimed) != 200 {
		t.Errorf("%d of 200 deliveries were claimed", len(claimed))
	}
}

func TestAClaimDropsWhatCanNoLongerBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disabled, kept := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.send(3)
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", disabled.ID)
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", ids[0])
	w.exec("UPDATE message SET expires_at = now() WHERE id = $1", ids[1])
	got := w.claim(room())
	if len(got) != 1 || got[0].EndpointID != kept.ID || got[0].MessageID != ids[2] {
		t.Errorf("claimed %+v", got)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("%d deliveries are left, want the one that was claimed", n)
	}
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

func TestAFailedAttemptIsDueAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(1)
	d := w.claim(room())[0]
	next := now().Add(time.Minute)
	r := result(d, next)
	for range 2 { // as when the answer to the first got lost
		if !w.record(r) {
			t.Error("a result was not taken")
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE attempts = 1 AND due_at = $1", next); n != 1 {
		t.Error("the delivery is not due at the next time with one attempt")
	}
	if n := value[int](w, "SELECT count(*) FROM attempt"); n != 1 {
		t.Errorf("%d attempts are written down", n)
	}
	if since := value[*time.Time](w, "SELECT failing_since FROM endpoint WHERE id = $1", e.ID); since == nil {
		t.Error("the endpoint is not failing")
	}
	deliveries := w.claimAt(room(), next).Deliveries
	if len(deliveries) != 1 || deliveries[0].Attempts != 1 {
		t.Fatalf("claimed at the next time: %+v", deliveries)
	}
	w.record(result(deliveries[0], time.Time{}))
	if since := value[*time.Time](w, "SELECT failing_since FROM endpoint WHERE id = $1", e.ID); since != nil {
		t.Error("the endpoint is failing after a success")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 0 {
		t.Error("a delivery that arrived is still owed")
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

func TestRecordingDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	d := w.claim(room())[0]
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(context.Background(), tx)
	for name, record := range map[string]func([]core.Result) error{
		"record": func(results []core.Result) error {
			_, err := queries.DeliveryRecordMany(t.Context(), tx, recordParams(results, testRules, now()))
			return err
		},
		"finish": func(results []core.Result) error {
			_, err := finish(t.Context(), tx, results)
			return err
		},
	} {
		if _, err := tx.Exec(t.Context(), "SET LOCAL synchronous_commit = on"); err != nil {
			t.Fatal(err)
		}
		if err := record([]core.Result{result(d, time.Time{})}); err != nil {
			t.Fatal(err)
		}
		var setting string
		if err := tx.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "off" {
			t.Errorf("%s: synchronous_commit is %q, %v", name, setting, err)
		}
	}
}

func TestATransactionWhoseProcessIsFrozenEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if timeout := value[string](w, "SHOW idle_in_transaction_session_timeout"); timeout != idleInTransaction {
		t.Errorf("idle_in_transaction_session_timeout is %s", timeout)
	}
}

func TestPlansAreSteady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if seqscan := value[string](w, "SHOW enable_seqscan"); seqscan != "off" {
		t.Errorf("enable_seqscan is %s", seqscan)
	}
}

// First attempts and retries have half each, so that neither half tells by its size that there is more.
func TestAClaimTellsOfWhomMoreIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(10)
	w.exec("UPDATE delivery SET queue = 1 WHERE message_id IN (SELECT id FROM message ORDER BY id LIMIT 5)")
	w.exec("DELETE FROM delivery WHERE endpoint_id = $1 AND message_id NOT IN (SELECT id FROM message ORDER BY id LIMIT 1)", other.ID)
	r := room()
	r.PerEndpoint = 5
	c := w.claimAt(r, now())
	if len(c.Deliveries) != 5 || len(c.More) != 2 || c.More[0] != e.ID || c.More[1] != e.ID {
		t.Errorf("%d are claimed, more is due to %v", len(c.Deliveries), c.More)
	}
	if c = w.claimAt(room(), now()); len(c.Deliveries) != 6 || len(c.More) != 0 {
		t.Errorf("%d are claimed, more is due to %v", len(c.Deliveries), c.More)
	}
}
