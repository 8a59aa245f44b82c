// Package jobs runs scheduled work, and work that continues after the request for it: creating partitions, deleting
// expired rows, background tasks and operational webhooks. Every job may run in any number of processes at once. The
// package accesses the database only through core's ports.
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

// Store is the port that the hourly jobs need.
type Store interface {
	core.Partitioner
	core.IdempotencyPruner
	core.TokenRevocationPruner
	core.TaskCleaner
	core.AttemptCountPruner
}

// Run runs the jobs every hour until ctx ends. The first run is an hour from now: a starting process calls Partitions
// itself, before anything is stored.
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
