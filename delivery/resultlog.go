package delivery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/postrider/postrider/core"
)

// Up to eventLogBurst events of a kind are logged at once, and one per eventLogEvery after that.
const (
	eventLogEvery = 3 * time.Second
	eventLogBurst = 20
)

// eventLimit limits how often events of a kind are logged.
type eventLimit struct {
	limit   *rate.Limiter
	skipped atomic.Int64
}

func newEventLimit() *eventLimit {
	return &eventLimit{limit: rate.NewLimiter(rate.Every(eventLogEvery), eventLogBurst)}
}

// allow reports whether to log an event, and how many were skipped since the last one that was logged.
func (l *eventLimit) allow(now time.Time) (skipped []slog.Attr, ok bool) {
	if !l.limit.AllowN(now, 1) {
		l.skipped.Add(1)
		return nil, false
	}
	if n := l.skipped.Swap(0); n > 0 {
		skipped = []slog.Attr{slog.Int64("similar_events_skipped", n)}
	}
	return skipped, true
}

// traceAttr returns the attribute that leads from an event to the trace of its attempt, if that is sampled.
func traceAttr(ctx context.Context) []slog.Attr {
	if id := traceID(ctx); id != "" {
		return []slog.Attr{slog.String("trace_id", id)}
	}
	return nil
}

// resultLog logs results of attempts. Those that an operator should see are limited: an endpoint that is dead for days ends a
// backlog of any length.
type resultLog struct {
	log      *slog.Logger
	clock    func() time.Time
	lost     *eventLimit
	finished *eventLimit
}

func newResultLog(log *slog.Logger, clock func() time.Time) *resultLog {
	return &resultLog{log: log, clock: clock, lost: newEventLimit(), finished: newEventLimit()}
}

func (l *resultLog) write(ctx context.Context, d core.Delivery, result core.Result, replays int, held bool) {
	level, message, limit := slog.LevelDebug, "attempt failed", (*eventLimit)(nil)
	switch {
	case !held:
		level, message, limit = slog.LevelWarn, "delivery withdrawn or lease expired; may be sent twice", l.lost
	case result.Attempt.Status == core.StatusSuccess:
		message = "delivery succeeded"
	case result.NextAt.IsZero():
		level, message, limit = slog.LevelWarn, "delivery failed; no retries left", l.finished
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	var skipped []slog.Attr
	if limit != nil {
		var ok bool
		if skipped, ok = limit.allow(l.clock()); !ok {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("application", string(d.AppID)), slog.String("message", string(d.MessageID)),
		slog.String("endpoint", string(d.EndpointID)), slog.String("attempt", string(result.Attempt.ID)),
		slog.Int("status_code", int(result.Attempt.ResponseStatusCode)), slog.Int("attempts", result.Attempts),
		slog.Int("replays", replays),
	}
	if result.Attempt.Status != core.StatusSuccess {
		attrs = append(attrs, slog.String("host", hostOf(result.Attempt.URL)), slog.String("reason", reasonOf(result.Attempt)))
	}
	if !result.NextAt.IsZero() {
		attrs = append(attrs, slog.Time("next_try_at", result.NextAt.UTC()))
	}
	l.log.LogAttrs(ctx, level, message, append(append(attrs, traceAttr(ctx)...), skipped...)...) //nolint:sloglint // one of the literals above
}
