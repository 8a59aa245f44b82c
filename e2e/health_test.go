package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

func TestEndpointDownIsProbedThenGetsEverything(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_CIRCUIT_FAILURES=5", "POSTRIDER_CIRCUIT_WAIT=1s", "POSTRIDER_ENDPOINT_CONCURRENCY=5")
	c := s.NewTenant(t)
	app, up := c.NewApplication(t), atomic.Bool{}
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	endpoint := receiver.NewEndpoint(t, c, app)
	if h := c.EndpointHealth(t, app, endpoint); h != (rig.Health{Status: "ok"}) {
		t.Errorf("a new endpoint is %+v", h)
	}
	ids := c.SendMessages(t, app, 1000)
	h := c.AwaitEndpointHealth(t, app, endpoint, "paused")
	if h.Failures < 5 || h.FailingSince == nil || h.PausedUntil == nil {
		t.Errorf("%+v", h)
	}
	for tried := len(receiver.All()); len(receiver.All()) < tried+2; { // probes
		rig.Await(t, func() string {
			if len(receiver.All()) == tried {
				return "it is not probed"
			}
			return ""
		})
	}
	// A few attempts were made before the failures were recorded, far fewer than were waiting.
	if n := len(receiver.All()); n > 500 {
		t.Errorf("%d attempts at an endpoint that is down", n)
	}
	up.Store(true)
	receiver.Await(t, ids...)
	c.AwaitEndpointHealth(t, app, endpoint, "ok")
}

func TestEndpointGoneIsDisabledUntilEnabled(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, back := c.NewApplication(t), atomic.Bool{}
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		if !back.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	endpoint := receiver.NewEndpoint(t, c, app)
	gone := c.SendMessage(t, app)
	h := c.AwaitEndpointHealth(t, app, endpoint, "disabled")
	if h.DisabledReason == nil || *h.DisabledReason != "gone" {
		t.Errorf("%+v", h)
	}
	c.AwaitAttempts(t, app, gone, 1)
	if e := rig.Must(c.Endpoint.Get(t.Context(), app, endpoint))(t); e.Disabled == nil || !*e.Disabled {
		t.Errorf("%+v", e)
	}
	back.Store(true)
	c.Call(t, http.StatusOK, "PATCH", "/api/v1/app/"+app+"/endpoint/"+endpoint, `{"disabled": false}`)
	receiver.Await(t, c.SendMessage(t, app))
	if h := c.EndpointHealth(t, app, endpoint); h.Status != "ok" || h.DisabledReason != nil {
		t.Errorf("enabled again, it is %+v", h)
	}
	if n := len(receiver.Of(gone)); n != 1 {
		t.Errorf("what it did not want came %d times", n)
	}
}

func TestEndpointFailingTooLongIsDisabled(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_DISABLE_AFTER=1s", "POSTRIDER_RETRY_SCHEDULE=600ms,600ms,600ms,600ms,600ms,600ms")
	c := s.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, rig.AnswerStatus(500))
	endpoint := receiver.NewEndpoint(t, c, app)
	c.SendMessage(t, app)
	c.SendMessage(t, app)
	if h := c.AwaitEndpointHealth(t, app, endpoint, "disabled"); h.DisabledReason == nil || *h.DisabledReason != "failing" || h.Failures < 7 {
		t.Errorf("%+v", h)
	}
}

func TestEndpointSlowedDownWaitsWithAllDeliveries(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	endpoint := receiver.NewEndpoint(t, c, app)
	first := c.SendMessage(t, app)
	c.AwaitAttempts(t, app, first, 1)
	if h := c.AwaitEndpointHealth(t, app, endpoint, "paused"); time.Until(*h.PausedUntil) < 50*time.Minute {
		t.Errorf("%+v", h)
	}
	second := c.SendMessage(t, app)
	rig.Never(t, "a message was sent to an endpoint that asked to be left alone", func() bool { return len(receiver.Of(second)) > 0 })
	stats := rig.Must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
	if stats.Fail != 1 || stats.Pending != 1 {
		t.Errorf("%+v: waiting is not failing", stats)
	}
}

func TestThrottleRateHoldsAcrossWorkers(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	for range 3 {
		rig.Start(t, rig.Settings(database), "worker").AwaitReady(t)
	}
	const rate, messages = 20, 60
	app, throttled := c.NewApplication(t), c.NewApplication(t)
	slow, fast, shares := rig.NewReceiver(t, nil), rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	limit := uint16(rate)
	slow.NewEndpointLike(t, c, app, svix.EndpointIn{ThrottleRate: &limit})
	fast.NewEndpoint(t, c, app)
	rig.Must(c.Application.Patch(t.Context(), throttled, svix.ApplicationPatch{ThrottleRate: utils.NewNullable(limit)}))(t)
	shares.NewEndpoint(t, c, throttled)
	begin := time.Now()
	ids, own := c.SendMessages(t, app, messages), c.SendMessages(t, throttled, messages)
	fast.Await(t, ids...)
	slow.Await(t, ids...)
	shares.Await(t, own...)
	for name, r := range map[string]*rig.Receiver{"endpoint's": slow, "application's": shares} {
		all := r.All()
		// A burst of a tenth of a second's worth and one more is allowed. No other webhook may arrive early.
		least := time.Duration(messages-rate/10-1) * time.Second / rate
		if took := all[len(all)-1].At.Sub(begin); took < least || len(all) != messages {
			t.Errorf("%s rate of %d a second: %d webhooks came in %s, want at least %s", name, rate, len(all), took, least)
		}
	}
	for _, id := range ids {
		if attempts := c.AwaitAttempts(t, app, id, 2); attempts[0].Status != 0 || attempts[1].Status != 0 {
			t.Errorf("waiting is not an attempt: %+v", attempts)
		}
	}
}
