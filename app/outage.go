package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/store"
)

const (
	// outageReminder is how often a continuing cause is logged.
	outageReminder = time.Minute

	// outageCheck is how often a failed database is tried. The outage is over after outageQuiet without a failure.
	outageCheck = time.Second
	outageQuiet = 3 * outageCheck
)

// outages log a database outage for all parts of the process: one event when it begins, one each minute while it lasts,
// and one when it ends. An outage of the same cause within a minute of such an event waits for the next one. Without them
// each request, worker and job would log its own failures.
type outages struct {
	log   *slog.Logger
	ready func(context.Context) error // checks that the database takes writes; nil: not yet opened

	mu       sync.Mutex
	busyAt   time.Time // when a refused request was logged
	toldAt   time.Time // when an outage was logged
	cause    string    // the cause that was logged
	began    time.Time // zero: no outage
	last     time.Time // the last failure
	failures int
	logged   bool // whether this outage was logged
}

func newOutages(log *slog.Logger) *outages {
	return &outages{log: log}
}

// watched returns a logger that leaves failures of the database to o.
func (o *outages) watched() *slog.Logger { return slog.New(outageHandler{o.log.Handler(), o}) }

// failed counts a failure.
func (o *outages) failed(ctx context.Context, cause string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	begins := o.began.IsZero()
	if begins {
		o.began, o.failures, o.logged = now, 0, false
	}
	o.last = now
	o.failures++
	if now.Sub(o.toldAt) >= outageReminder || begins && cause != o.cause {
		o.toldAt, o.cause, o.logged = now, cause, true
		o.log.LogAttrs(ctx, slog.LevelError, "database unavailable; retrying", slog.String("cause", cause), slog.String("error", oneLine(err)),
			slog.Int64("since_ms", now.Sub(o.began).Milliseconds()), slog.Int("failures", o.failures))
	}
}

// refused reports whether to log that a request was refused because too many others are in progress: once a minute.
func (o *outages) refused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.busyAt) < outageReminder {
		return false
	}
	o.busyAt = now
	return true
}

// watch detects the ends of outages until ctx ends.
func (o *outages) watch(ctx context.Context) {
	ticks := time.NewTicker(outageCheck)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if o.lasts() {
			o.check(ctx)
		}
	}
}

func (o *outages) lasts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.began.IsZero()
}

// check tries the database. Its own failure counts as one, so that an outage is logged while nothing else is going
// on.
func (o *outages) check(ctx context.Context) {
	err := o.ready(ctx)
	if cause, away := store.OutageCause(err); away && ctx.Err() == nil {
		o.failed(ctx, cause, err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if now.Sub(o.last) < outageQuiet {
		return
	}
	if o.logged {
		o.log.LogAttrs(ctx, slog.LevelInfo, "database recovered",
			slog.Int64("after_ms", o.last.Sub(o.began).Milliseconds()), slog.Int("failures", o.failures))
	}
	o.began = time.Time{}
}

// outageHandler lowers records about failures of the database to debug level.
type outageHandler struct {
	slog.Handler
	outages *outages
}

func (h outageHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug && h.isTold(ctx, errorOf(r)) {
		if !h.Enabled(ctx, slog.LevelDebug) {
			return nil
		}
		r.Level = slog.LevelDebug
	}
	return h.Handler.Handle(ctx, r)
}

// isTold reports whether an error is, or was lately, logged by outages.
func (h outageHandler) isTold(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*core.Error](err); ok && e.Code == core.CodeTooBusy {
		return !h.outages.refused()
	}
	cause, away := store.OutageCause(err)
	if away {
		h.outages.failed(ctx, cause, err)
	}
	return away
}

// errorOf returns the error that a record is about, or nil.
func errorOf(r slog.Record) (err error) {
	r.Attrs(func(a slog.Attr) bool {
		err, _ = a.Value.Any().(error)
		return err == nil
	})
	return err
}

func (h outageHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return outageHandler{h.Handler.WithAttrs(attrs), h.outages}
}

func (h outageHandler) WithGroup(name string) slog.Handler {
	return outageHandler{h.Handler.WithGroup(name), h.outages}
}
