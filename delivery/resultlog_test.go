package delivery

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/postrider/postrider/core"
)

// TestFailedDeliveriesAreLoggedWithinALimit: an endpoint that was dead for days ends a backlog of thousands at once.
func TestFailedDeliveriesAreLoggedWithinALimit(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	h, log := newTestHealthLog(func() time.Time { return at })
	l := newResultLog(h.log, h.clock)
	failed := core.Result{Attempts: 8, Attempt: core.Attempt{
		ID: "atmpt_1", Status: core.StatusFail, ResponseStatusCode: 502, Response: "text of the receiver", URL: "https://hooks.example.com/token?k=v",
	}}
	write := func(held bool) {
		l.write(t.Context(), core.Delivery{AppID: "app_1", MessageID: "msg_1", EndpointID: "ep_1"}, failed, 0, held)
	}
	for range 1000 {
		write(true)
	}
	const line = `level=WARN msg="delivery failed; no retries left" application=app_1 message=msg_1 endpoint=ep_1 attempt=atmpt_1` +
		` status_code=502 attempts=8 replays=0 host=hooks.example.com reason="the answer was 502 Bad Gateway"`
	if n := strings.Count(log.String(), line+"\n"); n != eventLogBurst {
		t.Errorf("%d events, want %d: %s", n, eventLogBurst, log.String())
	}
	log.Reset()
	write(false)
	if got := log.String(); !strings.Contains(got, "may be sent twice") {
		t.Errorf("events of one kind hide another: %q", got)
	}
	at = at.Add(eventLogEvery)
	log.Reset()
	write(true)
	if got := log.String(); got != line+" similar_events_skipped=980\n" {
		t.Errorf("after a while it logged %q", got)
	}
}

// TestHealthLogOfFailuresHidesNoDisabledEndpoint: a thousand endpoints fail while one is disabled.
func TestHealthLogOfFailuresHidesNoDisabledEndpoint(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	h, log := newTestHealthLog(func() time.Time { return at })
	for range 1000 {
		h.write(t.Context(), core.Result{}, core.HealthChange{To: core.HealthFailing})
	}
	h.write(t.Context(), core.Result{}, core.HealthChange{To: core.HealthDisabled})
	if !strings.Contains(log.String(), "endpoint disabled") {
		t.Error("the endpoint that was disabled is not logged")
	}
}

// TestHealthLogLeadsToTheTrace checks that events name the trace of the attempt, if it is sampled.
func TestHealthLogLeadsToTheTrace(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]bool{sampledParent: true, unsampledParent: false, "x": false} {
		h, log := newTestHealthLog(time.Now)
		ctx := propagation.TraceContext{}.Extract(context.Background(), (*storedParent)(&stored))
		h.write(ctx, core.Result{}, core.HealthChange{To: core.HealthFailing})
		if got := strings.Contains(log.String(), " trace_id="+sampledParent[3:35]); got != want || strings.Contains(log.String(), "trace_id") != want {
			t.Errorf("%s: logged %s", stored, log.String())
		}
	}
}
