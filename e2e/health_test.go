package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/utils"
)

// health is what the API tells of how an endpoint fares.
type health struct {
	Status         string
	Failures       int
	FailingSince   *time.Time
	PausedUntil    *time.Time
	DisabledReason *string
}

func (c client) health(t testing.TB, app, endpoint string) health {
	t.Helper()
	var e struct{ Health health }
	c.call(t, http.StatusOK, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint, "").decode(t, &e)
	return e.Health
}

func (c client) awaitHealth(t testing.TB, app, endpoint, status string) (h health) {
	t.Helper()
	await(t, func() string {
		if h = c.health(t, app, endpoint); h.Status != status {
			return fmt.Sprintf("the endpoint is %+v, want it %s", h, status)
		}
		return ""
	})
	return h
}

func TestAnEndpointThatIsDownIsProbedAndGetsEverythingWhenItIsUp(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_CIRCUIT_FAILURES=5", "POSTRIDER_CIRCUIT_WAIT=1s", "POSTRIDER_ENDPOINT_CONCURRENCY=5")
	c := s.tenant(t)
	app, up := c.application(t), atomic.Bool{}
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	endpoint := receiver.endpoint(t, c, app)
	if h := c.health(t, app, endpoint); h != (health{Status: "ok"}) {
		t.Errorf("a new endpoint is %+v", h)
	}
	ids := c.messages(t, app, 1000)
	h := c.awaitHealth(t, app, endpoint, "paused")
	if h.Failures < 5 || h.FailingSince == nil || h.PausedUntil == nil {
		t.Errorf("%+v", h)
	}
	for tried := len(receiver.all()); len(receiver.all()) < tried+2; { // probes
		await(t, func() string {
			if len(receiver.all()) == tried {
				return "it is not probed"
			}
			return ""
		})
	}
	// Some were made until the failures were written down, far fewer than waited.
	if n := len(receiver.all()); n > 500 {
		t.Errorf("%d attempts at an endpoint that is down", n)
	}
	up.Store(true)
	receiver.await(t, ids...)
	c.awaitHealth(t, app, endpoint, "ok")
}

func TestGoneDisablesAndEnablingClearsIt(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app, back := c.application(t), atomic.Bool{}
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		if !back.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	endpoint := receiver.endpoint(t, c, app)
	gone := c.message(t, app)
	h := c.awaitHealth(t, app, endpoint, "disabled")
	if h.DisabledReason == nil || *h.DisabledReason != "gone" {
		t.Errorf("%+v", h)
	}
	c.attempts(t, app, gone, 1)
	if e := must(c.Endpoint.Get(t.Context(), app, endpoint))(t); e.Disabled == nil || !*e.Disabled {
		t.Errorf("%+v", e)
	}
	back.Store(true)
	c.call(t, http.StatusOK, "PATCH", "/api/v1/app/"+app+"/endpoint/"+endpoint, `{"disabled": false}`)
	receiver.await(t, c.message(t, app))
	if h := c.health(t, app, endpoint); h.Status != "ok" || h.DisabledReason != nil {
		t.Errorf("enabled again, it is %+v", h)
	}
	if n := len(receiver.of(gone)); n != 1 {
		t.Errorf("what it did not want came %d times", n)
	}
}

func TestAnEndpointThatFailsForTooLongIsDisabled(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_DISABLE_AFTER=1s", "POSTRIDER_RETRY_SCHEDULE=600ms,600ms,600ms,600ms,600ms,600ms")
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, status(500))
	endpoint := receiver.endpoint(t, c, app)
	c.message(t, app)
	c.message(t, app)
	if h := c.awaitHealth(t, app, endpoint, "disabled"); h.DisabledReason == nil || *h.DisabledReason != "failing" || h.Failures < 7 {
		t.Errorf("%+v", h)
	}
}

func TestSlowingDownIsForTheWholeEndpoint(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if a.nth == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	endpoint := receiver.endpoint(t, c, app)
	first := c.message(t, app)
	c.attempts(t, app, first, 1)
	if h := c.awaitHealth(t, app, endpoint, "paused"); time.Until(*h.PausedUntil) < 50*time.Minute {
		t.Errorf("%+v", h)
	}
	second := c.message(t, app)
	never(t, "a message was sent to an endpoint that asked to be left alone", func() bool { return len(receiver.of(second)) > 0 })
	stats := must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
	if stats.Fail != 1 || stats.Pending != 1 {
		t.Errorf("%+v: waiting is not failing", stats)
	}
}

func TestThrottleRateHoldsAcrossWorkers(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	for range 3 {
		start(t, settings(database), "worker").ready(t)
	}
	const rate, messages = 20, 60
	app, throttled := c.application(t), c.application(t)
	slow, fast, shares := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	limit := uint16(rate)
	slow.endpointLike(t, c, app, svix.EndpointIn{ThrottleRate: &limit})
	fast.endpoint(t, c, app)
	must(c.Application.Patch(t.Context(), throttled, svix.ApplicationPatch{ThrottleRate: utils.NewNullable(limit)}))(t)
	shares.endpoint(t, c, throttled)
	begin := time.Now()
	ids, own := c.messages(t, app, messages), c.messages(t, throttled, messages)
	fast.await(t, ids...)
	slow.await(t, ids...)
	shares.await(t, own...)
	for name, r := range map[string]*receiver{"endpoint's": slow, "application's": shares} {
		all := r.all()
		// A tenth of a second's worth may come at once, and one; and nothing may come sooner.
		least := time.Duration(messages-rate/10-1) * time.Second / rate
		if took := all[len(all)-1].at.Sub(begin); took < least || len(all) != messages {
			t.Errorf("%s rate of %d a second: %d webhooks came in %s, want at least %s", name, rate, len(all), took, least)
		}
	}
	for _, id := range ids {
		if attempts := c.attempts(t, app, id, 2); attempts[0].Status != 0 || attempts[1].Status != 0 {
			t.Errorf("waiting is not an attempt: %+v", attempts)
		}
	}
}
