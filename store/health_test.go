package store

import (
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// health returns an endpoint's health from the store.
func (w *world) health(e core.Endpoint) core.Endpoint {
	w.t.Helper()
	got, err := w.EndpointGet(w.t.Context(), w.app.ID, string(e.ID))
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// failed returns the result of a failed attempt that began at the given time. The delivery is due again immediately.
func failed(d core.Delivery, began time.Time) core.Result {
	r := result(d, now())
	r.Attempt.CreatedAt = began
	return r
}

func succeeded(d core.Delivery, began time.Time) core.Result {
	r := result(d, time.Time{})
	r.Attempt.CreatedAt = began
	return r
}

// failing fails the given deliveries, which are for the world's only endpoint.
func (w *world) failing(deliveries []core.Delivery) (last core.Recorded) {
	w.t.Helper()
	for _, d := range deliveries {
		last = w.recordWith(testRules, failed(d, now()))
	}
	return last
}

func TestFailuresInARowOpenTheCircuit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	claimed := w.claim(room())
	if w.failing(claimed[:4]).Resting {
		t.Error("the circuit opened before the fifth failure")
	}
	if got := w.health(e); got.Failures != 4 || got.FailingSince == nil || got.PausedUntil != nil {
		t.Errorf("after four failures: %+v", got.Health)
	}
	if !w.failing(claimed[4:5]).Resting {
		t.Error("the circuit did not open with the fifth failure")
	}
	until := *w.health(e).PausedUntil
	if wait := until.Sub(now()); wait > core.CircuitWaitLeast || wait < core.CircuitWaitLeast/2 {
		t.Errorf("the circuit is open for %s", wait)
	}
	if c := w.claimAt(room(), until.Add(-time.Microsecond)); len(c.Deliveries) != 0 || !c.WakeAt.Equal(until) {
		t.Errorf("before it ends, %d are claimed; look again at %s, want %s", len(c.Deliveries), c.WakeAt, until)
	}
}

// Results of one endpoint that are recorded together count together.
func TestASuccessAmongFailuresMeansItIsNotFailing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	var results []core.Result
	for i, d := range w.claim(room()) {
		r := failed(d, now())
		if i == 3 {
			r = succeeded(d, now())
		}
		results = append(results, r)
	}
	for _, o := range w.queue().recordMany(t.Context(), results) {
		if o.err != nil || !o.out.Held || o.out.Resting {
			t.Errorf("%+v", o)
		}
	}
	if got := w.health(e); got.Failures != 0 || got.FailingSince != nil {
		t.Errorf("%+v", got.Health)
	}
}

func TestAnOpenCircuitIsProbedAndClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	w.failing(w.claim(room())[:5])
	at := now().Add(2 * time.Second)
	leasedLong := room()
	leasedLong.LeasedUntil = at.Add(time.Minute)
	probe := w.claimAt(leasedLong, at).Deliveries
	if len(probe) != 1 {
		t.Fatalf("%d deliveries probe the endpoint, want one", len(probe))
	}
	if again := w.claimAt(leasedLong, at.Add(30*time.Second)).Deliveries; len(again) != 0 {
		t.Error("it is probed again while a probe is under way")
	}

	if !w.recordWith(testRules, failed(probe[0], at)).Resting {
		t.Error("a probe failed, and the endpoint is not left alone")
	}
	if wait := w.health(e).PausedUntil.Sub(now()); wait > core.CircuitWaitLeast {
		t.Errorf("after a probe that failed the next is in %s", wait)
	}

	probe = w.claimAt(leasedLong, at).Deliveries
	if w.recordWith(testRules, succeeded(probe[0], at)).Resting {
		t.Error("a probe succeeded, and the endpoint is left alone all the same")
	}
	if got := w.health(e); got.Failures != 0 || got.FailingSince != nil || got.PausedUntil != nil {
		t.Errorf("after a probe that succeeded: %+v", got.Health)
	}
	if rest := w.claimAt(room(), now()).Deliveries; len(rest) != 4 { // the failed ones; the others are leased
		t.Errorf("%d of those that failed are claimed at once", len(rest))
	}
}

func TestTheCircuitStaysOpenLongerTheLongerItFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ failing, least, most time.Duration }{
		"a moment":       {time.Second, time.Second, time.Second},
		"a minute":       {time.Minute, 15 * time.Second, 16 * time.Second},
		"half an hour":   {30 * time.Minute, time.Minute, time.Minute},
		"its first time": {0, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			w.send(1)
			w.exec("UPDATE endpoint SET failures = 4, failing_since = $1", now().Add(-c.failing))
			before := now()
			w.failing(w.claim(room()))
			until := *w.health(e).PausedUntil
			if until.Before(before.Add(c.least)) || until.After(now().Add(c.most)) {
				t.Errorf("open for %s, want %s", until.Sub(before), c.least)
			}
		})
	}
}

// slow is a result in which the endpoint asks for a pause.
func slow(d core.Delivery, until time.Time) core.Result {
	r := failed(d, now())
	r.Attempt.ResponseStatusCode, r.PauseUntil = http.StatusTooManyRequests, until
	return r
}

func TestAnEndpointThatAsksForItIsLeftAloneAsAWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	claimed := w.claim(room())
	began := now()
	until := began.Add(10 * time.Minute)
	if !w.recordWith(testRules, slow(claimed[0], until)).Resting {
		t.Error("the endpoint is not left alone")
	}
	// Attempts that were already in progress say nothing about a pause that was requested later.
	w.recordWith(testRules, succeeded(claimed[1], began.Add(-time.Second)))
	w.recordWith(testRules, failed(claimed[2], began.Add(-time.Second)))
	if got := w.health(e).PausedUntil; got == nil || !got.Equal(until) {
		t.Errorf("left alone until %v, want %s", got, until)
	}
	w.exec("UPDATE delivery SET due_at = $1", began)
	if n := len(w.claimAt(room(), until.Add(-time.Second)).Deliveries); n != 0 {
		t.Errorf("%d are claimed before", n)
	}
	probe := w.claimAt(room(), until).Deliveries
	if len(probe) != 1 {
		t.Fatalf("%d are claimed then, want one", len(probe))
	}
	w.recordWith(testRules, succeeded(probe[0], now().Add(time.Second)))
	if got := w.health(e).PausedUntil; got != nil {
		t.Errorf("after a success it is left alone until %s", got)
	}
	if n := len(w.claimAt(room(), until).Deliveries); n != 8 {
		t.Errorf("%d are claimed after a success, want the 8 that are left", n)
	}
}

func TestFreshMessagesToARestingEndpointWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	w.recordWith(testRules, slow(w.claim(room())[0], now().Add(time.Hour)))
	d := &takes{room: room()}
	if _, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), w.event(nil)); err != nil {
		t.Fatal(err)
	}
	if len(d.taken) != 0 || len(w.claim(room())) != 0 {
		t.Error("a message is sent to an endpoint that is to be left alone")
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(3)
	var mine []core.Delivery
	for _, d := range w.claim(room()) {
		if d.EndpointID == e.ID {
			mine = append(mine, d)
		}
	}
	r := failed(mine[0], now())
	r.Gone, r.NextAt = true, now().Add(time.Hour)
	if !w.recordWith(testRules, r).Resting {
		t.Error("what waits for an endpoint that is gone is not given back")
	}
	got := w.health(e)
	if !got.Disabled || got.DisabledReason == nil || *got.DisabledReason != core.DisabledGone {
		t.Errorf("%+v", got)
	}
	// The worker that leased the others gives them back, and a claim drops all of them, due or not.
	if err := w.queue().DeliveryRelease(t.Context(), mine[1:], now()); err != nil {
		t.Fatal(err)
	}
	if c := w.claimAt(room(), now()); len(c.Deliveries) != 0 || len(c.Withdrawn) != 1 {
		t.Errorf("%+v", c)
	}
	if owed := w.owed(); owed[e.ID] != 0 || owed[other.ID] != 3 {
		t.Errorf("owed %v", owed)
	}
	if w.recordWith(testRules, succeeded(mine[1], now())).Held {
		t.Error("a delivery that was dropped is still held")
	}
	if got := w.health(e); !got.Disabled {
		t.Error("a success that was under way enabled the endpoint again")
	}
}

func TestFailingForLongDisables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since    time.Duration
		failures int
		want     bool
	}{
		"long and often":   {time.Hour + time.Second, 2, true}, // and this failure is the third
		"long, but rarely": {time.Hour + time.Second, 1, false},
		"not that long":    {time.Hour - time.Minute, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			w.send(1)
			w.exec("UPDATE endpoint SET failures = $1, failing_since = $2", c.failures, now().Add(-c.since))
			w.failing(w.claim(room()))
			got := w.health(e)
			if got.Disabled != c.want || (got.DisabledReason != nil) != c.want {
				t.Errorf("disabled %v, %v", got.Disabled, got.DisabledReason)
			}
			if c.want && *got.DisabledReason != core.DisabledFailing {
				t.Errorf("disabled as %s", *got.DisabledReason)
			}
		})
	}
}

func TestAnEndpointThatIsEnabledAgainBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(1)
	w.exec("UPDATE endpoint SET failures = 100, failing_since = $1, disabled = true, disabled_reason = 'failing', paused_at = now(), paused_until = now()",
		now().Add(-time.Hour))
	service := w.service()
	if _, err := service.EndpointPatch(t.Context(), orgScope, "acme", string(e.ID), func(in *core.EndpointIn) { in.Disabled = false }); err != nil {
		t.Fatal(err)
	}
	if got := w.health(e); got.Disabled || got.Health != (core.Health{}) {
		t.Errorf("%+v", got)
	}
}

func TestDisablingDropsWhatIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(2)
	service := w.service()
	for _, disabled := range []bool{true, false} {
		if _, err := service.EndpointPatch(t.Context(), orgScope, "acme", string(e.ID), func(in *core.EndpointIn) { in.Disabled = disabled }); err != nil {
			t.Fatal(err)
		}
	}
	if owed := w.owed(); owed[e.ID] != 0 || owed[other.ID] != 2 {
		t.Errorf("owed %v", owed)
	}
}
