package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// fitInterval is how often schema and role are checked. The check reads some fifty catalog rows, and nobody waits
	// for it: a probe gets the last result.
	fitInterval = 15 * time.Second
	fitTimeout  = 10 * time.Second
)

// fit watches what was checked at start and may change while the process runs: that the schema has all migrations of
// this release, and that the role has its privileges. The write that a probe makes touches one table only.
type fit struct {
	log     *slog.Logger
	missing func(context.Context) ([]string, error) // privileges
	behind  func(context.Context) (int, error)      // migrations

	failed atomic.Pointer[health] // nil: all is well
	toldAt time.Time
}

// watch checks until ctx ends.
func (f *fit) watch(ctx context.Context) {
	ticks := time.NewTicker(fitInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			f.check(ctx)
		}
	}
}

// check replaces the last result, unless the database does not answer; then that is what makes the process unready.
func (f *fit) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fitTimeout)
	defer cancel()
	missing, err := f.missing(ctx)
	if err != nil {
		f.log.Debug("privileges not checked", "error", err)
		return
	}
	if len(missing) > 0 { // the schema may be invisible
		f.fail(&health{Status: "unavailable", Failed: "role", Cause: number(len(missing), "privilege") + " missing"},
			"role lacks privileges; process not ready", slog.String("missing", strings.Join(missing, ", ")))
		return
	}
	behind, err := f.behind(ctx)
	if err != nil {
		f.log.Debug("schema not checked", "error", err)
		return
	}
	if behind > 0 {
		f.fail(&health{Status: "unavailable", Failed: "schema", Cause: number(behind, "migration") + " behind"},
			"schema lacks migrations; process not ready", slog.Int("behind", behind))
		return
	}
	if failed := f.failed.Swap(nil); failed != nil {
		f.log.Info("schema and role complete again", "failed", failed.Failed)
		f.toldAt = time.Time{}
	}
}

// fail makes the process unready, and logs that when it begins or changes and once a minute.
func (f *fit) fail(h *health, message string, detail slog.Attr) {
	last := f.failed.Swap(h)
	if now := time.Now(); last == nil || *last != *h || now.Sub(f.toldAt) >= outageReminder {
		f.toldAt = now
		f.log.Error(message, detail) //nolint:sloglint // a constant of the caller
	}
}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
