package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// throttled sends n messages to three endpoints and makes four workers claim them for the given time, on a clock that
// the test advances. Workers that interfere with each other may all claim nothing, so another worker claims alone
// after them. It returns the number of deliveries per endpoint.
func (w *world) throttled(n int, duration time.Duration) map[core.EndpointID]int {
	w.t.Helper()
	w.send(n)
	start := now().Add(time.Second)
	got := map[core.EndpointID]int{}
	var mu sync.Mutex
	for at := start; at.Before(start.Add(duration)); at = at.Add(50 * time.Millisecond) {
		claim := func() {
			r := core.Room{Total: 100, PerEndpoint: 100, LeasedUntil: at.Add(time.Hour)}
			claim, err := w.queue().DeliveryClaim(w.t.Context(), r, core.Queue{}, at)
			if err != nil {
				w.t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range claim.Deliveries {
				got[d.EndpointID]++
			}
		}
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(claim)
		}
		workers.Wait()
		claim()
	}
	return got
}

func TestAnEndpointsRateHoldsAcrossWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := w.addEndpoint(func(e *core.Endpoint) { e.ThrottleRate = new(int32(20)) })
	fast := w.addEndpoint(nil)
	got := w.throttled(100, 2*time.Second)
	if got[slow.ID] > 43 || got[slow.ID] < 35 { // 40, a burst of 2 and one
		t.Errorf("%d deliveries in 2 s at 20 a second", got[slow.ID])
	}
	if got[fast.ID] != 100 {
		t.Errorf("the endpoint without a rate got %d of 100", got[fast.ID])
	}
}

func TestAnApplicationsRateIsSharedByItsEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil)
	w.exec("UPDATE application SET throttle_rate = 30")
	got := w.throttled(50, 2*time.Second)
	if sum := got[a.ID] + got[b.ID] + got[c.ID]; sum > 64 || sum < 52 { // 60, a burst of 3 and one
		t.Errorf("%d deliveries in 2 s at 30 a second", sum)
	}
	for _, e := range []core.Endpoint{a, b, c} {
		if got[e.ID] < 10 {
			t.Errorf("an endpoint got %d of some 60: %v", got[e.ID], got)
		}
	}
}

func TestThrottledDeliveriesAreNotBornLeased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	d := &takes{room: room()}
	inserter := NewMessageInserter(w.Store, d)
	for _, rate := range []string{
		"UPDATE endpoint SET throttle_rate = 1",
		"UPDATE endpoint SET throttle_rate = NULL; UPDATE application SET throttle_rate = 1",
	} {
		w.exec(rate)
		if _, err := inserter.MessageInsert(t.Context(), w.event(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.taken) != 0 || w.owed()[e.ID] != 2 {
		t.Errorf("handed over: %+v; owed: %v", d.taken, w.owed())
	}
	if c := w.claimAt(room(), now()); len(c.Deliveries) != 1 || c.WakeAt.IsZero() {
		t.Errorf("of two, %d are claimed at once; look again at %s", len(c.Deliveries), c.WakeAt)
	}
}

// A claim that is rolled back leaves no lease.
func TestAClaimThatIsRolledBackClaimsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.ThrottleRate = new(int32(20)) })
	w.send(1)
	w.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE OF throttled_until ON endpoint EXECUTE FUNCTION refuse()`)
	claim, err := w.queue().DeliveryClaim(t.Context(), room(), core.Queue{}, now())
	if err == nil || len(claim.Deliveries) != 0 {
		t.Errorf("claimed %+v, %v", claim.Deliveries, err)
	}
	w.exec("DROP TRIGGER refuse ON endpoint")
	if got := w.claim(room()); len(got) != 1 || got[0].Lease != 1 {
		t.Errorf("claimed %+v", got)
	}
}

func TestAnEndpointThatIsBeingChangedIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.ThrottleRate = new(int32(20)) })
	other := w.addEndpoint(nil)
	w.send(1)
	w.in(func(ctx context.Context, tx core.Tx) error {
		page, _, err := tx.EndpointList(ctx, w.app.ID, core.Page{Limit: 1, Before: "~"})
		if err != nil {
			return err
		}
		if _, err := tx.EndpointLock(ctx, w.app.ID, string(page[0].ID)); err != nil {
			return err
		}
		if got := w.claim(room()); len(got) != 1 || got[0].EndpointID != other.ID {
			t.Errorf("while the first endpoint is locked, claimed %+v", got)
		}
		return nil
	})
	if got := w.claim(room()); len(got) != 1 {
		t.Errorf("afterwards, claimed %+v", got)
	}
}
