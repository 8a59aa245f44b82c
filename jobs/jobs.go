// Package jobs is the work that is done by the clock and not on request: today, keeping partitions
// ahead of time. Every job may run in any number of processes at once. It sees the database as
// core's ports alone.
package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

const (
	interval = time.Hour
	retry    = time.Minute // after a failure
)

// Run does the jobs every hour until ctx ends, the first time an hour from now: what must be done
// before anything else is done at the start, by Partitions.
func Run(ctx context.Context, store core.Partitioner, clock func() time.Time, log *slog.Logger) {
	for wait := interval; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = interval
		if err := Partitions(ctx, store, clock(), log); err != nil && ctx.Err() == nil {
			log.Error("make partitions", "error", err)
			wait = retry
		}
	}
}
