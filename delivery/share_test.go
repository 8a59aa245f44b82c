package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestSlowEndpointsLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	config := testConfig()
	config.Concurrency, config.EndpointConcurrency = 24, 24
	q := newQueue()
	w, _ := run(t, config, q)
	w.hand(g.backlog(18, "a")) // a could use everything, and gets half
	for range 12 {
		<-g.arrived
	}
	w.hand(g.backlog(3, "b")) // an eighth of what it could use
	w.hand(g.backlog(2, "c"))
	counts := map[string]int{}
	for range 5 {
		counts[<-g.arrived]++
	}
	if counts["/b"] != 3 || counts["/c"] != 2 {
		t.Errorf("beside a slow endpoint arrived %v", counts)
	}
	close(g.open)
	for range 23 {
		<-q.recorded
	}
}

func TestEndpointsThatHangLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency, config.EndpointConcurrency = 64, 16
	end := make(chan struct{})
	d := newDispatcher(config, func(_ context.Context, _ *queued, sent func()) bool {
		<-end
		sent()
		return true
	}, func() {}, func() {})
	t.Cleanup(func() { close(end); d.stop(time.Minute) })
	g := &gate{Server: &httptest.Server{}}
	for range 20 { // claims in which each of 20 endpoints takes all it may
		room := d.reserveForClaim(time.Now())
		var claimed []core.Delivery
		for n := range 20 {
			endpoint := fmt.Sprint("hanging", n)
			for range room.PerEndpoint {
				if len(claimed) < room.Total && len(room.FullApps) == 0 && !slices.Contains(room.Full, core.EndpointID(endpoint)) {
					claimed = append(claimed, g.backlog(1, endpoint)...)
				}
			}
		}
		d.Dispatch(room, claimed)
	}
	room := d.reserveForClaim(time.Now())
	other := g.backlog(1, "other")
	other[0].AppID = "app_2"
	d.Dispatch(room, other)
	if room.Total == 0 || room.PerEndpoint != 1 || d.lanes["other"].active != 1 {
		t.Errorf("room for %d, %d of an endpoint; under way %d, waiting %d; at the other one under way %d",
			room.Total, room.PerEndpoint, d.active, d.waiting, d.lanes["other"].active)
	}
}

func TestWhatWaitsForARestingEndpointIsGivenBack(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	q := newQueue()
	q.resting = true
	w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
	t.Cleanup(w.sender.pool.closeKept)
	w.active = w.config.Concurrency // nothing else starts
	w.Dispatch(w.reserveForClaim(time.Now()), g.backlog(3, "a", "b"))
	d := g.backlog(1, "a")[0]
	d.LeasedUntil = time.Now().Add(time.Hour)
	if !w.attempt(t.Context(), &queued{Delivery: d}, func() {}) || len(q.results) != 1 {
		t.Fatalf("results: %+v", q.results)
	}
	if turns := w.tenants[d.AppID].ready; len(q.released) != 3 || w.waiting != 3 || len(turns) != 1 || turns[0].endpoint != "b" {
		t.Errorf("%d were given back, %d wait, %d endpoints have a turn", len(q.released), w.waiting, len(turns))
	}
	for _, d := range q.released {
		if d.EndpointID != "a" {
			t.Errorf("%s was given back", d.EndpointID)
		}
	}
}

func TestWhatAnEndpointAnswersCountsForAllOfIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		gone       bool
		pause      time.Duration
	}{
		"gone":              {http.StatusGone, "", true, 0},
		"too many requests": {http.StatusTooManyRequests, "", false, time.Second},
		"unavailable":       {http.StatusServiceUnavailable, "60", false, time.Minute},
		"unavailable long":  {http.StatusServiceUnavailable, "86400", false, time.Hour},
		"an error":          {http.StatusInternalServerError, "60", false, 0},
		"success":           {http.StatusOK, "60", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := httptest.NewServer(whole(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.retryAfter)
				w.WriteHeader(c.status)
			}))
			t.Cleanup(receiver.Close)
			q := newQueue(testDelivery(receiver.URL))
			before := time.Now()
			run(t, testConfig(), q)
			r := <-q.recorded
			if r.Gone != c.gone || r.PauseUntil.IsZero() != (c.pause == 0) || c.gone && !r.NextAt.IsZero() {
				t.Fatalf("%+v", r)
			}
			if c.pause != 0 && (r.PauseUntil.Before(before.Add(c.pause)) || r.PauseUntil.After(time.Now().Add(c.pause))) {
				t.Errorf("left alone for %s, want %s", r.PauseUntil.Sub(before), c.pause)
			}
		})
	}
}

func TestTheWorkerLooksAgainWhenSomethingMayBeClaimed(t *testing.T) {
	t.Parallel()
	w := New(testConfig(), newQueue(), time.Now, nil)
	w.wakeAt(time.Time{})
	w.wakeAt(time.Now().Add(time.Hour)) // the poll comes first
	w.wakeAt(time.Now().Add(30 * time.Millisecond))
	select {
	case <-w.wake:
	case <-time.After(10 * time.Second):
		t.Fatal("it did not")
	}
}

func TestWhatIsRecalledIsGivenBack(t *testing.T) {
	t.Parallel()
	for app, want := range map[core.AppID]int{"app_1": 3, "app_2": 2, "": 5, "app_3": 0} {
		q := newQueue()
		w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
		w.active = w.config.Concurrency // nothing starts
		g := &gate{Server: &httptest.Server{}}
		other := g.backlog(2, "c")
		other[0].AppID, other[1].AppID = "app_2", "app_2"
		w.hand(append(g.backlog(1, "a", "b", "b"), other...))
		w.Recall(app)
		if len(q.released) != want || w.waiting != 5-want {
			t.Errorf("of %q %d were given back, and %d wait", app, len(q.released), w.waiting)
		}
		for _, d := range q.released {
			if app != "" && d.AppID != app {
				t.Errorf("%s was given back", d.AppID)
			}
		}
	}
}

// Otherwise it would wait for the poll, and a FIFO endpoint would get one delivery per second.
func TestTheNextOfAFIFOEndpointIsClaimedAtOnce(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{true, false} {
		w := New(testConfig(), newQueue(), time.Now, slog.New(slog.DiscardHandler))
		w.record(t.Context(), core.Delivery{Ordered: ordered, LeasedUntil: time.Now().Add(time.Hour)}, core.Result{}, 0)
		if woken := len(w.wake) == 1 && len(w.next) == 1; woken != ordered {
			t.Errorf("after a delivery that is ordered: %v, the worker looks at once: %v", ordered, woken)
		}
	}
}

func TestWhatIsLeftOfAClaimIsClaimedWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	end, hungry := make(chan struct{}), make(chan struct{}, 100)
	d := newDispatcher(testConfig(), func(_ context.Context, _ *queued, sent func()) bool {
		<-end
		sent()
		return true
	}, func() { hungry <- struct{}{} }, func() {})
	t.Cleanup(func() { d.stop(time.Minute) })
	asked := func() int { // number of claims that were requested
		n := len(hungry)
		for range n {
			<-hungry
		}
		return n
	}
	g := &gate{Server: &httptest.Server{}}
	d.expect([]core.EndpointID{"done"})
	if asked() != 1 {
		t.Error("no claim was asked for an endpoint that has got rid of all it had")
	}
	d.reserved = 20
	d.Dispatch(core.Room{Total: 10, PerEndpoint: 4}, g.backlog(2, "a"))
	asked()
	if d.expect([]core.EndpointID{"a"}); asked() != 1 {
		t.Error("no claim was asked for an endpoint that has room")
	}
	d.Dispatch(core.Room{Total: 10, PerEndpoint: 5}, g.backlog(4, "a"))
	asked()
	if d.expect([]core.EndpointID{"a"}); asked() != 0 {
		t.Error("a claim was asked for an endpoint that is full")
	}
	close(end)
	<-hungry // a claim is asked for once the endpoint is no longer full
}
