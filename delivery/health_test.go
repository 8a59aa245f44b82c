package delivery

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestHealthChangesAreLogged(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	attempt := core.Attempt{AppID: "app_1", EndpointID: "ep_1", URL: "https://user:***@hooks.example.com:8443/token-in-path?k=v"}
	answered, unanswered := attempt, attempt
	answered.ResponseStatusCode, answered.Response = 503, "text of the receiver"
	unanswered.Response = "error making request: no connection"
	const who = ` application=app_1 endpoint=ep_1 host=hooks.example.com:8443 failing_since=2026-11-27T11:00:00.000Z`
	for name, c := range map[string]struct {
		result core.Result
		change core.HealthChange
		want   string
	}{
		"failing": {
			core.Result{Attempt: unanswered, NextAt: at.Add(time.Minute)}, core.HealthChange{To: core.HealthFailing},
			`level=WARN msg="endpoint failing"` + who + ` reason="error making request: no connection" next_try_at=2026-11-27T12:01:00.000Z`,
		},
		"failing, no retry": {
			core.Result{Attempt: answered}, core.HealthChange{To: core.HealthFailing},
			`level=WARN msg="endpoint failing"` + who + ` reason="the answer was 503 Service Unavailable"`,
		},
		"paused": {
			core.Result{Attempt: answered, NextAt: at.Add(time.Minute)}, core.HealthChange{To: core.HealthPaused, PausedUntil: at.Add(time.Hour)},
			`level=WARN msg="endpoint paused; deliveries wait"` + who + ` reason="the answer was 503 Service Unavailable" next_try_at=2026-11-27T13:00:00.000Z`,
		},
		"recovered": {
			core.Result{Attempt: answered}, core.HealthChange{To: core.HealthRecovered}, `level=INFO msg="endpoint recovered"` + who,
		},
		"disabled": {
			core.Result{Attempt: answered}, core.HealthChange{To: core.HealthDisabled},
			`level=WARN msg="endpoint disabled; deliveries dropped"` + who + ` reason="the answer was 503 Service Unavailable"`,
		},
		"unchanged": {core.Result{Attempt: answered}, core.HealthChange{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, log := newTestHealthLog(func() time.Time { return at })
			c.change.FailingSince = at.Add(-time.Hour)
			h.write(t.Context(), c.result, c.change)
			if got := strings.TrimSuffix(log.String(), "\n"); got != c.want {
				t.Errorf("logged\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestHealthLogIsLimited: a thousand endpoints of one customer fail at once.
func TestHealthLogIsLimited(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	h, log := newTestHealthLog(func() time.Time { return at })
	write := func() { h.write(t.Context(), core.Result{}, core.HealthChange{To: core.HealthFailing}) }
	for range 1000 {
		write()
	}
	if n := strings.Count(log.String(), "\n"); n != eventLogBurst {
		t.Errorf("%d events, want %d", n, eventLogBurst)
	}
	at = at.Add(eventLogEvery)
	log.Reset()
	write()
	write()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "similar_events_skipped=980") {
		t.Errorf("after a while it logged %q, want one event and that 980 were skipped", got)
	}
}

func newTestHealthLog(clock func() time.Time) (*healthLog, *bytes.Buffer) {
	log := new(bytes.Buffer)
	without := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return newHealthLog(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: without})), clock), log
}
