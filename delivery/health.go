package delivery

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
)

// healthLog logs changes of endpoints' health. Each change is logged by the one process that made it. A customer may have a
// thousand endpoints that all fail and recover together, so each kind of change has a limit: those that fail do not hide the
// ones that are disabled.
type healthLog struct {
	log    *slog.Logger
	clock  func() time.Time
	limits map[core.HealthState]*eventLimit
}

func newHealthLog(log *slog.Logger, clock func() time.Time) *healthLog {
	h := &healthLog{log: log, clock: clock, limits: map[core.HealthState]*eventLimit{}}
	for state := range healthEvents {
		h.limits[state] = newEventLimit()
	}
	return h
}

// healthEvents are the levels and messages of the log.
var healthEvents = map[core.HealthState]struct {
	level   slog.Level
	message string
}{
	core.HealthFailing:   {slog.LevelWarn, "endpoint failing"},
	core.HealthPaused:    {slog.LevelWarn, "endpoint paused; deliveries wait"},
	core.HealthRecovered: {slog.LevelInfo, "endpoint recovered"},
	core.HealthDisabled:  {slog.LevelWarn, "endpoint disabled; deliveries dropped"},
}

// write logs a change that a result made, if it made one.
func (h *healthLog) write(ctx context.Context, r core.Result, change core.HealthChange) {
	event, changed := healthEvents[change.To]
	if !changed {
		return
	}
	skipped, ok := h.limits[change.To].allow(h.clock())
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("application", string(r.Attempt.AppID)), slog.String("endpoint", string(r.Attempt.EndpointID)),
		slog.String("host", hostOf(r.Attempt.URL)), slog.Time("failing_since", change.FailingSince.UTC()),
	}
	if change.To != core.HealthRecovered {
		attrs = append(attrs, slog.String("reason", reasonOf(r.Attempt)))
	}
	if next := nextTry(r, change); !next.IsZero() {
		attrs = append(attrs, slog.Time("next_try_at", next.UTC()))
	}
	attrs = append(append(attrs, traceAttr(ctx)...), skipped...)
	h.log.LogAttrs(ctx, event.level, event.message, attrs...) //nolint:sloglint // one of the literals above
}

// nextTry returns when the endpoint is tried again, or the zero time if that is not known.
func nextTry(r core.Result, change core.HealthChange) time.Time {
	if change.To == core.HealthFailing {
		return r.NextAt
	}
	if change.To == core.HealthPaused {
		return change.PausedUntil
	}
	return time.Time{}
}

// hostOf returns the host of a URL, without the path, which may contain a token.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// reasonOf says why an attempt failed. The text of a response is the receiver's and is never logged.
func reasonOf(a core.Attempt) string {
	if a.ResponseStatusCode == 0 {
		return a.Response
	}
	return strings.TrimSpace("the answer was " + strconv.Itoa(int(a.ResponseStatusCode)) + " " + http.StatusText(int(a.ResponseStatusCode)))
}
