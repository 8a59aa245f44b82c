// Package jobs is the work that is done by the clock, or that goes on after the request for it: today,
// keeping partitions ahead of time, forgetting what is old, background tasks, and operational webhooks.
// Every job may run in any number of processes at once. It sees the database as core's ports alone.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

const (
	interval = time.Hour
	retry    = time.Minute // after a failure
)

// Store is what the jobs work on.
type Store interface {
	core.Partitioner
	core.IdempotencyPruner
	core.TokenRevocationPruner
	core.TaskCleaner
	core.AttemptCountPruner
}

// Run does the jobs every hour until ctx ends, the first time an hour from now: what must be done
// before anything else is done at the start, by Partitions.
func Run(ctx context.Context, store Store, clock func() time.Time, log *slog.Logger) {
	for wait := interval; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = interval
		err := errors.Join(
			Partitions(ctx, store, clock(), log),
			Statistics(ctx, store, clock(), log),
			IdempotencyKeys(ctx, store, clock(), log),
			TokenRevocations(ctx, store, clock()),
			EndedTasks(ctx, store, clock()),
			AttemptCounts(ctx, store, clock()),
		)
		if err != nil && ctx.Err() == nil {
			wait = retry
			log.Error("hourly jobs failed; retrying", "error", err, "retry_in_ms", wait.Milliseconds())
		}
	}
}
