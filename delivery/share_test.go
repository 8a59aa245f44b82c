package delivery

import (
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
	hand := func(endpoint string, n int) {
		room := w.reserveForClaim(time.Now())
		deliveries := g.backlog(min(n, room.Total), endpoint)
		for i := range deliveries {
			deliveries[i].LeasedUntil = room.LeasedUntil
		}
		w.Dispatch(room, deliveries)
	}
	hand("a", 24) // which could use everything, and gets half
	for range 12 {
		<-g.arrived
	}
	hand("b", 4)
	hand("c", 1)
	counts := map[string]int{}
	for range 5 {
		counts[<-g.arrived]++
	}
	if counts["/b"] != 4 || counts["/c"] != 1 {
		t.Errorf("beside a slow endpoint arrived %v", counts)
	}
	close(g.open)
	for range 29 {
		<-q.recorded
	}
}

func TestNoEndpointFillsTheQueue(t *testing.T) {
	t.Parallel()
	w := New(testConfig(), newQueue(), time.Now, nil) // room for 16, of which an endpoint may take 8 at a time
	w.active = w.config.Concurrency                   // nothing starts
	g := &gate{Server: &httptest.Server{}}
	for _, c := range []struct {
		endpoint string
		most     int
		full     []core.EndpointID
	}{
		{"a", 4, nil}, // room for 8 is left
		{"b", 2, []core.EndpointID{"a"}},
		{"c", 1, []core.EndpointID{"a", "b"}},
	} {
		room := w.reserveForClaim(time.Now())
		if room.PerEndpoint != c.most {
			t.Errorf("before %s: room for %d of an endpoint, want %d", c.endpoint, room.PerEndpoint, c.most)
		}
		if slices.Sort(room.Full); !slices.Equal(room.Full, c.full) {
			t.Errorf("before %s: full are %v, want %v", c.endpoint, room.Full, c.full)
		}
		w.Dispatch(room, g.backlog(room.PerEndpoint, c.endpoint))
	}
}

func TestWhatWaitsForARestingEndpointIsGivenBack(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	q := newQueue()
	q.resting = true
	w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
	t.Cleanup(w.sender.client.CloseIdleConnections)
	w.active = w.config.Concurrency // nothing else starts
	w.Dispatch(w.reserveForClaim(time.Now()), g.backlog(3, "a", "b"))
	d := g.backlog(1, "a")[0]
	d.LeasedUntil = time.Now().Add(time.Hour)
	if !w.attempt(t.Context(), d, func() {}) || len(q.results) != 1 {
		t.Fatalf("results: %+v", q.results)
	}
	if len(q.released) != 3 || w.waiting != 3 || len(w.ready) != 1 || w.ready[0].endpoint != "b" {
		t.Errorf("%d were given back, %d wait, %d endpoints have a turn", len(q.released), w.waiting, len(w.ready))
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
			run(t, testConfig(), q)
			before := time.Now()
			r := <-q.recorded
			if r.Gone != c.gone || r.PauseUntil.IsZero() != (c.pause == 0) {
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
	w.wakeAt(time.Now().Add(time.Hour)) // the poll comes before
	w.wakeAt(time.Now().Add(30 * time.Millisecond))
	select {
	case <-w.wake:
	case <-time.After(10 * time.Second):
		t.Fatal("it did not")
	}
}
