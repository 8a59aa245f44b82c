package delivery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// gate is a receiver that blocks requests until it is opened.
type gate struct {
	*httptest.Server
	mu      sync.Mutex
	active  map[string]int // by path
	most    map[string]int
	arrived chan string
	open    chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{
		active: map[string]int{}, most: map[string]int{},
		arrived: make(chan string, 10_000), open: make(chan struct{}),
	}
	g.Server = httptest.NewServer(whole(func(_ http.ResponseWriter, r *http.Request) {
		g.count(r.URL.Path, 1)
		g.arrived <- r.URL.Path
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
		g.count(r.URL.Path, -1)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) count(path string, by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active[path] += by
	g.most[path] = max(g.most[path], g.active[path])
}

// backlog returns n deliveries to each of the endpoints.
func (g *gate) backlog(n int, endpoints ...string) []core.Delivery {
	var list []core.Delivery
	for range n {
		for _, e := range endpoints {
			d := testDelivery(g.URL + "/" + e)
			d.EndpointID = core.EndpointID(e)
			list = append(list, d)
		}
	}
	return list
}

func TestDueDeliveriesAreMadeAndRecorded(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	q := newQueue(g.backlog(100, "a", "b", "c")...)
	run(t, testConfig(), q)
	seen := map[string]bool{}
	for range 300 {
		r := <-q.recorded
		seen[string(r.Attempt.MessageID)+string(r.Attempt.EndpointID)] = true
		if r.Attempt.Status != core.StatusSuccess || !r.NextAt.IsZero() || r.Attempts != 1 || r.Lease != 1 {
			t.Errorf("%+v", r)
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 deliveries were made", len(seen))
	}
}

func TestClaimsGoOnWhereRoomRanOut(t *testing.T) {
	t.Parallel()
	q := newQueue()
	none, b, c := core.Queue{}, core.Queue{EndpointID: "ep_b"}, core.Queue{EndpointID: "ep_c", Kind: core.QueueRetry}
	q.next = []core.Queue{b, none, c}
	w := New(testConfig(), q, time.Now, nil)
	w.claim(t.Context()) // "" to ep_b, to the end
	if want := []core.Queue{none, b}; !slices.Equal(q.claims, want) {
		t.Errorf("claims began at %v, want %v", q.claims, want)
	}
	q.claims = nil
	full := fill(w)
	w.after = b
	w.claim(t.Context()) // no room
	if len(q.claims) != 0 || w.after != b {
		t.Errorf("without room, claims began at %v, the next at %v", q.claims, w.after)
	}
	for _, room := range full {
		w.Dispatch(room, nil)
	}
	w.claim(t.Context()) // ep_b to ep_c, to the end, and again from the first
	if want := []core.Queue{b, c, none}; !slices.Equal(q.claims, want) {
		t.Errorf("claims began at %v, want %v", q.claims, want)
	}
}

// fill reserves all the room there is.
func fill(w *Worker) (all []core.Room) {
	for room := w.reserveForClaim(time.Now()); room.Total > 0; room = w.reserveForClaim(time.Now()) {
		all = append(all, room)
	}
	return all
}

// hand hands over fresh deliveries.
func (w *Worker) hand(deliveries []core.Delivery) {
	room := w.Reserve(time.Now())
	for i := range deliveries {
		deliveries[i].LeasedUntil = room.LeasedUntil
	}
	w.Dispatch(room, deliveries)
}

func TestFreshDeliveriesNeedNoClaim(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	q := newQueue()
	w, _ := run(t, testConfig(), q)
	d := g.backlog(1, "a")[0]
	w.hand([]core.Delivery{d})
	if r := <-q.recorded; r.Attempt.MessageID != d.MessageID {
		t.Errorf("%+v", r)
	}
}

func TestAnEndpointHasABoundedNumberUnderWay(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	q := newQueue(append(g.backlog(50, "slow"), g.backlog(2, "other")...)...)
	config := testConfig()
	config.Concurrency = 16 // six are less than half of it, so that no endpoint's part becomes smaller
	run(t, config, q)
	counts := map[string]int{}
	for range 6 { // 4 is the limit of slow, 2 are all deliveries of the other
		counts[<-g.arrived]++
	}
	if counts["/slow"] != 4 || counts["/other"] != 2 {
		t.Errorf("arrived: %v", counts)
	}
	close(g.open)
	for range 52 {
		<-q.recorded
	}
	if g.most["/slow"] > 4 {
		t.Errorf("%d were under way at the slow endpoint", g.most["/slow"])
	}
}

func TestFreshDeliveriesLeaveRoomForWhatWaits(t *testing.T) {
	t.Parallel()
	h := newHanging(t, testConfig()) // a worker that runs would reserve room, too
	fresh := 0
	for room := h.Reserve(time.Now()); room.Total > 0; room = h.Reserve(time.Now()) {
		h.Dispatch(room, deliveriesOf(core.AppID(fmt.Sprint("app", fresh)), room.Total))
		fresh += room.Total
	}
	if fresh != 14 { // 3/4 of twice the concurrency, and 2 for applications that have none here
		t.Fatalf("room for %d fresh deliveries", fresh)
	}
	more := h.reserveForClaim(time.Now())
	h.Dispatch(more, nil)
	if more.Total != 1 {
		t.Errorf("room for %d that wait, want half of the last 2", more.Total)
	}
}

func TestAFullEndpointIsPassedOverAndNotForgotten(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	q := newQueue(g.backlog(100, "slow")...)
	w, _ := run(t, testConfig(), q)
	for range 4 {
		<-g.arrived
	}
	w.hand(g.backlog(1, "slow"))
	room := w.Reserve(time.Now())
	if len(room.Full) != 1 || room.Full[0] != "slow" {
		t.Errorf("full: %v", room.Full)
	}
	w.Dispatch(room, nil)
	close(g.open)
	for range 101 { // much faster than by polling, which would bring 8 per second
		<-q.recorded
	}
}

func TestAFailureIsTriedAgainByTheSchedule(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(receiver.Close)
	fresh, last := testDelivery(receiver.URL), testDelivery(receiver.URL)
	last.Attempts = 1
	q := newQueue(fresh, last)
	run(t, testConfig(), q)
	for range 2 {
		r := <-q.recorded
		wait := time.Until(r.NextAt)
		if r.Attempt.MessageID == fresh.MessageID && (r.Attempts != 1 || wait < 9*time.Minute || wait > 11*time.Minute) {
			t.Errorf("the first failure: %d attempts, next in %s", r.Attempts, wait)
		}
		if r.Attempt.MessageID == last.MessageID && (r.Attempts != 2 || !r.NextAt.IsZero()) {
			t.Errorf("the last failure: %d attempts, next at %s", r.Attempts, r.NextAt)
		}
	}
}

func TestAnAttemptAskedForByHandLeavesTheScheduleAsItWas(t *testing.T) {
	t.Parallel()
	w := New(testConfig(), newQueue(), time.Now, nil)
	resume := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		delivery core.Delivery
		status   core.AttemptStatus
		attempts int
		next     time.Time
	}{
		"success":                      {core.Delivery{Manual: true}, core.StatusSuccess, 0, time.Time{}},
		"failure":                      {core.Delivery{Manual: true}, core.StatusFail, 0, time.Time{}},
		"success between retries":      {core.Delivery{Manual: true, Attempts: 2, ResumeAt: &resume}, core.StatusSuccess, 2, time.Time{}},
		"failure between retries":      {core.Delivery{Manual: true, Attempts: 2, ResumeAt: &resume}, core.StatusFail, 2, resume},
		"success of the schedule":      {core.Delivery{Attempts: 2}, core.StatusSuccess, 3, time.Time{}},
		"last failure of the schedule": {core.Delivery{Attempts: 99}, core.StatusFail, 100, time.Time{}},
	} {
		got := w.result(c.delivery, core.Attempt{Status: c.status}, 0)
		if got.Attempts != c.attempts || !got.NextAt.Equal(c.next) {
			t.Errorf("%s: %d attempts, next at %s; want %d, %s", name, got.Attempts, got.NextAt, c.attempts, c.next)
		}
	}
	if by := (core.Delivery{Manual: true}).Trigger(); by != core.TriggerManual {
		t.Errorf("triggered by %d", by)
	}
}

func TestARecordThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	q := newQueue(g.backlog(1, "a")...)
	q.fail = 2
	run(t, testConfig(), q)
	<-q.recorded
	if len(g.arrived) != 1 {
		t.Errorf("%d requests for one delivery", len(g.arrived))
	}
}

func TestADeliveryThatWaitedTooLongIsGivenBack(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(receiver.Close)
	q := newQueue()
	var log bytes.Buffer
	w := New(testConfig(), q, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	d := testDelivery(receiver.URL)
	d.LeasedUntil = time.Now().Add(w.config.RequestTimeout)
	for range 3 {
		if !w.attempt(t.Context(), &queued{Delivery: d}, func() {}) || requests.Load() != 0 || len(q.results) != 0 {
			t.Errorf("%d requests, results %v", requests.Load(), q.results)
		}
	}
	if len(q.postponed) != 3 || time.Until(q.postponed[0].until) > 0 {
		t.Errorf("given back: %+v", q.postponed)
	}
	if n := strings.Count(log.String(), "queued too long"); n != 1 {
		t.Errorf("%d lines say so", n)
	}
}

func TestStopFinishesWhatIsUnderWayAndReleasesTheRest(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	q := newQueue(g.backlog(4, "a")...)
	w, stop := run(t, testConfig(), q)
	for range 4 {
		<-g.arrived
	}
	w.hand(g.backlog(2, "a"))
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for { // until the worker has stopped accepting deliveries
		w.mu.Lock()
		taking := !w.stopped
		w.mu.Unlock()
		if !taking {
			break
		}
	}
	close(g.open)
	<-stopped
	if len(q.results) != 4 || len(q.released) != 2 {
		t.Errorf("%d results, %d leases given back; want 4 and 2", len(q.results), len(q.released))
	}
	if room := w.Reserve(time.Now()); room.Total != 0 {
		t.Errorf("a stopped worker has room for %d", room.Total)
	}
}

func TestStopLosesNoClaimThatIsUnderWay(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	q := newQueue(g.backlog(3, "a")...)
	ctx, stop := context.WithCancel(t.Context())
	q.claiming = func(claim context.Context) {
		stop()
		if claim.Err() != nil {
			t.Error("the claim was cut off, and what it leased is lost until the leases run out")
		}
	}
	config := testConfig()
	config.StopTimeout = time.Millisecond
	w := New(config, q, time.Now, slog.New(slog.DiscardHandler))
	w.Run(ctx)
	if len(q.claims) != 1 || len(q.released) != 3 {
		t.Errorf("%d claims, %d leases given back; want 1 and 3", len(q.claims), len(q.released))
	}
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	config := testConfig()
	config.StopTimeout = time.Millisecond
	q := newQueue(g.backlog(3, "a")...)
	_, stop := run(t, config, q)
	for range 3 {
		<-g.arrived
	}
	stop()
	if len(q.results) != 0 || len(q.released) != 3 {
		t.Errorf("%d results, %d leases given back; want none and 3", len(q.results), len(q.released))
	}
}

// TestStopGivesBackWhatAStatementLeasesMeanwhile covers statements that lease deliveries during a stop, because the
// API and sources stop at the same time as the worker.
func TestStopGivesBackWhatAStatementLeasesMeanwhile(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	q := newQueue()
	w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
	room := w.Reserve(time.Now())
	ended := make(chan []core.Delivery)
	go func() { ended <- w.stop(time.Minute) }()
	for stopped := false; !stopped; {
		w.mu.Lock()
		stopped = w.stopped
		w.mu.Unlock()
	}
	w.Dispatch(room, g.backlog(1, "a"))
	if given := <-ended; len(given) != 1 {
		t.Errorf("%d leases are given back, want 1", len(given))
	}
}
