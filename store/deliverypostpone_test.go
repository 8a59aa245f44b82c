package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func (w *world) postpone(d core.Delivery, until time.Time) {
	w.t.Helper()
	if err := w.queue().DeliveryPostpone(w.t.Context(), d, until); err != nil {
		w.t.Fatal(err)
	}
}

func TestDeliveryPostponeLeavesAllButTheTimeAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(3)
	claimed := w.claim(room())
	w.record(result(claimed[0], now().Add(time.Hour)))
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.DeliveryResend(ctx, w.app.ID, claimed[0].MessageID, e.ID, now())
	})
	manual := w.claim(room())
	if len(manual) != 1 || !manual[0].Manual || manual[0].ResumeAt == nil {
		t.Fatalf("claimed %+v, want the one that was asked for by hand", manual)
	}
	before, until := w.health(e), now().Add(10*time.Second)
	for i, d := range []core.Delivery{claimed[1], claimed[2], manual[0]} {
		w.postpone(d, until.Add(time.Duration(i)*time.Second))
	}
	if early := w.claimAt(room(), until.Add(-time.Microsecond)).Deliveries; len(early) != 0 {
		t.Errorf("claimed before they are due again: %+v", early)
	}
	if first := w.claimAt(room(), until).Deliveries; len(first) != 1 || first[0].MessageID != claimed[1].MessageID {
		t.Errorf("claimed %+v, want the first alone: each has a time of its own", first)
	}
	rest := w.claimAt(room(), until.Add(2*time.Second)).Deliveries
	if len(rest) != 2 {
		t.Fatalf("claimed %+v, want the other two", rest)
	}
	for _, d := range rest {
		if d.MessageID != manual[0].MessageID {
			if d.Attempts != 0 || d.Manual {
				t.Errorf("a first attempt was postponed to %+v", d)
			}
			continue
		}
		if d.Attempts != 1 || !d.Manual || d.ResumeAt == nil || !d.ResumeAt.Equal(*manual[0].ResumeAt) {
			t.Errorf("a manual resend was postponed to %+v, was %+v", d, manual[0])
		}
	}
	if after := w.health(e); after.Failures != before.Failures || !after.FailingSince.Equal(*before.FailingSince) {
		t.Errorf("the endpoint's health was %+v, and is %+v", before.Health, after.Health)
	}
	if attempts := value[int](w, "SELECT count(*) FROM attempt"); attempts != 1 {
		t.Errorf("%d attempts are recorded, want the one that was made", attempts)
	}
}

// The lease is the fence: a worker that lost it, to another worker or to a resend, postpones nothing.
func TestDeliveryPostponeOfAStaleLeaseDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	other := &world{Store: openStore(t, w.pool.Config().ConnString(), nil), t: t, app: w.app}
	expired := room()
	expired.LeasedUntil = now().Add(-time.Millisecond)
	stale := w.claim(expired)[0]
	held := other.claim(room())[0]
	w.postpone(stale, now())
	if stolen := w.claim(room()); len(stolen) != 0 {
		t.Errorf("a stale lease made %+v due while another worker has it", stolen)
	}
	if !other.record(result(held, time.Time{})) {
		t.Error("the lease that holds was lost to a stale one")
	}
	w.postpone(held, now())
	if again := w.claim(room()); len(again) != 0 {
		t.Errorf("a delivery that is done is owed again: %+v", again)
	}
}

func TestDeliveryPostponeRacesOneClaimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(20)
	other := &world{Store: openStore(t, w.pool.Config().ConnString(), nil), t: t, app: w.app}
	expired := room()
	expired.LeasedUntil = now().Add(-time.Millisecond)
	stale := w.claim(expired)
	var running sync.WaitGroup
	for _, d := range stale {
		running.Go(func() { w.postpone(d, now().Add(-time.Second)) })
	}
	taken := map[core.MessageID]int64{}
	running.Go(func() {
		for range 5 {
			for _, d := range other.claim(room()) {
				if lease, twice := taken[d.MessageID]; twice {
					t.Errorf("%s was claimed with lease %d and %d", d.MessageID, lease, d.Lease)
				}
				taken[d.MessageID] = d.Lease
			}
		}
	})
	running.Wait()
	for _, d := range other.claim(room()) {
		if lease, twice := taken[d.MessageID]; twice {
			t.Errorf("%s was claimed with lease %d and %d", d.MessageID, lease, d.Lease)
		}
		taken[d.MessageID] = d.Lease
	}
	if len(taken) != 20 {
		t.Errorf("%d of 20 were claimed", len(taken))
	}
}

// A probe holds the endpoint until its lease ends. A probe that was not made must not hold it.
func TestDeliveryPostponeOfAProbeLetsTheEndpointBeProbedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	w.failing(w.claim(room())[:5])
	at := now().Add(2 * time.Second)
	leased := core.Room{Total: 10, PerEndpoint: 10, LeasedUntil: at.Add(time.Hour)}
	probe := w.claimAt(leased, at).Deliveries
	if len(probe) != 1 || !w.health(e).PausedUntil.Equal(leased.LeasedUntil) {
		t.Fatalf("%d are claimed as a probe; paused until %s", len(probe), w.health(e).PausedUntil)
	}
	before, due := w.health(e), at.Add(time.Second)
	w.postpone(probe[0], due)
	after := w.health(e)
	if !after.PausedUntil.Equal(due) || after.Failures != before.Failures || !after.FailingSince.Equal(*before.FailingSince) {
		t.Errorf("after a probe that was not made: %+v, before: %+v", after.Health, before.Health)
	}
	leased.LeasedUntil = due.Add(time.Hour)
	if again := w.claimAt(leased, due).Deliveries; len(again) != 1 {
		t.Errorf("%d are claimed as the next probe, want 1", len(again))
	}
	w.postpone(probe[0], due.Add(time.Minute)) // stale by now
	if !w.health(e).PausedUntil.Equal(leased.LeasedUntil) {
		t.Error("a stale lease changed how long the endpoint is paused")
	}
}
