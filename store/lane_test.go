package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// tellOf writes events about one subject and stores them as messages.
func (w *world) tellOf(subject string, payloads ...string) {
	w.t.Helper()
	w.in(func(ctx context.Context, tx core.Tx) error {
		for _, p := range payloads {
			e := core.OperationalEvent{OrgID: testOrg, Type: "endpoint.updated", Payload: p, Subject: subject}
			if err := tx.OperationalEventInsert(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	w.stepEvents(w.tasks())
}

// claimed returns an endpoint's due deliveries by payload.
func (w *world) claimed(at time.Time) map[string]core.Delivery {
	w.t.Helper()
	got := map[string]core.Delivery{}
	for _, d := range w.claimAt(room(), at).Deliveries {
		got[d.Payload] = d
	}
	return got
}

// wantDue checks which deliveries a claim returns.
func (w *world) wantDue(at time.Time, want ...string) map[string]core.Delivery {
	w.t.Helper()
	got := w.claimed(at)
	var payloads []string
	for p := range got {
		payloads = append(payloads, p)
	}
	slices.Sort(payloads)
	if slices.Sort(want); !slices.Equal(payloads, want) {
		w.t.Fatalf("due are %v, want %v", payloads, want)
	}
	return got
}

// ends returns a result that ends a delivery of a lane, or that is followed by a retry.
func ends(d core.Delivery, status core.AttemptStatus, next time.Time) core.Result {
	r := result(d, next)
	r.Attempt.Status, r.Subject = status, d.Subject
	return r
}

func TestOperationalWebhooksOfOneSubjectGoOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.tellOf("ep_1", "a1", "a2")
	w.tellOf("", "c1", "c2")
	w.tellOf("ep_1", "a3")
	w.tellOf("ep_2", "b1", "b2")
	due := w.wantDue(now(), "a1", "b1", "c1", "c2")
	w.record(ends(due["a1"], core.StatusFail, now().Add(time.Minute)))
	for _, p := range []string{"b1", "c1", "c2"} {
		w.record(ends(due[p], core.StatusSuccess, time.Time{}))
	}
	due = w.wantDue(now(), "b2") // immediately, while the other lane waits for a retry
	w.record(ends(due["b2"], core.StatusSuccess, time.Time{}))
	w.tellOf("ep_1", "a4")
	later := now().Add(2 * time.Minute)
	w.clock.local = func() time.Time { return later }
	due = w.wantDue(later, "a1")
	w.record(ends(due["a1"], core.StatusFail, time.Time{})) // given up
	due = w.wantDue(later, "a2")
	w.record(ends(due["a2"], core.StatusSuccess, time.Time{}))
	due = w.wantDue(later, "a3")
	w.record(ends(due["a3"], core.StatusSuccess, time.Time{}))
	due = w.wantDue(later, "a4")
	w.record(ends(due["a4"], core.StatusSuccess, time.Time{}))
	w.tellOf("ep_1", "a5")
	w.wantDue(later, "a5")
}

// TestLanesOfEndpointsAreTheirOwn: a watcher that refuses everything does not delay another one's events.
func TestLanesOfEndpointsAreTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad, good := w.addWatcher(testOrg), w.addWatcher(testOrg)
	w.tellOf("ep_1", "a1", "a2", "a3")
	for n := range 3 {
		for _, d := range w.claim(room()) {
			switch d.EndpointID {
			case bad.ID:
				if d.Payload != "a1" {
					t.Errorf("%s is due to the one that refused a1", d.Payload)
				}
				w.record(ends(d, core.StatusFail, now().Add(time.Minute)))
			case good.ID:
				if want := fmt.Sprintf("a%d", n+1); d.Payload != want {
					t.Errorf("%s is due, want %s", d.Payload, want)
				}
				w.record(ends(d, core.StatusSuccess, time.Time{}))
			}
		}
	}
	if owed := w.owed(); owed[bad.ID] != 3 || owed[good.ID] != 0 {
		t.Errorf("owed %v", owed)
	}
}

func TestDroppedDeliveryLetsTheNextOfItsLaneGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.tellOf("ep_1", "a1", "a2")
	w.exec("UPDATE message SET payload = NULL WHERE payload = 'a1'")
	if claim := w.claimAt(room(), now()); len(claim.Dropped) != 1 || len(claim.Deliveries) != 0 {
		t.Fatalf("%+v", claim)
	}
	w.wantDue(now().Add(time.Second), "a2")
}

// TestResultOfALostLeaseLeavesItsLane: another process makes that delivery, and the next delivery waits for it.
func TestResultOfALostLeaseLeavesItsLane(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.tellOf("ep_1", "a1", "a2")
	lost := w.wantDue(now(), "a1")["a1"]
	later := now().Add(2 * time.Minute)
	w.wantDue(later, "a1")
	if w.record(ends(lost, core.StatusSuccess, time.Time{})) {
		t.Error("a result was taken from a lease that ran out")
	}
	w.wantDue(now())
}

func TestLaneOfADisabledEndpointIsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg)
	w.tellOf("ep_1", "a1", "a2", "a3")
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", watcher.ID)
	if claim := w.claimAt(room(), now()); len(claim.Withdrawn) != 1 || claim.Withdrawn[0].Deliveries != 3 || len(w.owed()) != 0 {
		t.Errorf("withdrawn %+v, owed %v", claim.Withdrawn, w.owed())
	}
}

// TestLaneStepLetsGoWhatWaitsForNothing: the delivery waited for ended unnoticed, in lanes on several pages.
func TestLaneStepLetsGoWhatWaitsForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.addWatcher(testOrg)
	var subjects, second []string
	for n := range 5 {
		subject := fmt.Sprintf("ep_%d", n)
		w.tellOf(subject, subject+".1", subject+".2", subject+".3")
		subjects, second = append(subjects, subject), append(second, subject+".2", subject+".2")
	}
	w.exec("DELETE FROM delivery WHERE queue = 0") // by a process that does not know lanes
	if got := w.claimAt(room(), now()); len(got.Deliveries) != 0 {
		t.Fatalf("due are %+v", got.Deliveries)
	}
	w.in(func(ctx context.Context, tx core.Tx) error {
		var all []core.Lane
		for after := (core.Lane{}); ; {
			waiting, next, err := tx.DeliveryLaneList(ctx, after, 3)
			if err != nil {
				return err
			}
			if all = append(all, waiting...); next == (core.Lane{}) {
				break
			}
			after = next
		}
		if len(all) != 2*len(subjects) {
			t.Errorf("the lanes are %v", all)
		}
		return nil
	})
	for range 2 { // the second one finds nothing
		if next, err := w.tasks().OperationalLaneStep(t.Context(), core.Lane{}); err != nil || next != (core.Lane{}) {
			t.Errorf("%v, %v", next, err)
		}
	}
	var got []string
	for _, d := range w.claimAt(room(), now()).Deliveries {
		got = append(got, d.Payload)
	}
	if slices.Sort(got); !slices.Equal(got, second) {
		t.Errorf("due are %v, want %v", got, second)
	}
}

// arrivals records which payloads arrived in each lane, in order, until all have arrived.
type arrivals struct {
	mu    sync.Mutex
	lanes map[core.Lane][]string
	left  int
	done  chan struct{}
}

func (a *arrivals) add(d core.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lane := core.Lane{EndpointID: d.EndpointID, Subject: d.Subject}
	a.lanes[lane] = append(a.lanes[lane], d.Payload)
	if a.left--; a.left == 0 {
		close(a.done)
	}
}

// until returns a function that repeats do until everything has arrived.
func (a *arrivals) until(do func()) func() {
	return func() {
		for {
			select {
			case <-a.done:
				return
			default:
				do()
			}
		}
	}
}

// deliver makes some of the due deliveries. One attempt in three fails.
func (a *arrivals) deliver(t *testing.T, q *DeliveryQueue) {
	t.Helper()
	claim, err := q.DeliveryClaim(t.Context(), core.Room{Total: 5, PerEndpoint: 3, LeasedUntil: now().Add(time.Hour)}, core.Queue{}, now())
	if err != nil {
		t.Error(err)
	}
	taken, err := q.DeliveryTake(t.Context(), takeRoom(5), now())
	if err != nil {
		t.Error(err)
	}
	for _, d := range append(claim.Deliveries, taken.Deliveries...) {
		r := ends(d, core.StatusFail, now())
		if rand.IntN(3) > 0 {
			r = ends(d, core.StatusSuccess, time.Time{})
			a.add(d)
		}
		if _, err := q.DeliveryRecord(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
}

// TestLanesKeepTheirOrderWhileAllGoOnAtOnce: several goroutines write events, take them out and deliver them.
func TestLanesKeepTheirOrderWhileAllGoOnAtOnce(t *testing.T) {
	t.Parallel()
	const subjects, each, watchers = 4, 25, 2
	w := newWorld(t)
	for range watchers {
		w.addWatcher(testOrg)
	}
	a := &arrivals{lanes: map[core.Lane][]string{}, left: subjects * each * watchers, done: make(chan struct{})}
	var all sync.WaitGroup
	for n := range subjects {
		all.Go(func() {
			for i := range each {
				w.tellOf(fmt.Sprintf("ep_%d", n), fmt.Sprintf("%03d", i))
			}
		})
	}
	var after core.Lane
	all.Go(a.until(func() {
		var err error
		if after, err = w.tasks().OperationalLaneStep(t.Context(), after); err != nil {
			t.Error(err)
		}
	}))
	for range 3 {
		// Without a circuit, which would pause the endpoint for as long as a probe may take.
		q := NewDeliveryQueue(w.Store, core.HealthRules{})
		all.Go(a.until(func() { a.deliver(t, q) }))
	}
	all.Wait()
	for lane, got := range a.lanes {
		if len(got) != each || !slices.IsSorted(got) {
			t.Errorf("%v got %v", lane, got)
		}
	}
}
