package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

// statisticsAge is how old the planner's statistics of partitioned tables may be. Autovacuum maintains the
// statistics of their partitions but not those of the tables themselves.
const statisticsAge = 24 * time.Hour

// Statistics updates the planner statistics of partitioned tables once a day.
func Statistics(ctx context.Context, store core.Partitioner, now time.Time, log *slog.Logger) error {
	analyzed, err := store.PartitionAnalyze(ctx, now.Add(-statisticsAge))
	if err != nil {
		return fmt.Errorf("statistics of partitioned tables: %w", err)
	}
	if analyzed {
		log.Debug("partitioned tables analyzed")
	}
	return nil
}
