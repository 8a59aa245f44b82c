package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.Partitioner = (*Store)(nil)

// PartitionCreate creates one partition.
func (s *Store) PartitionCreate(ctx context.Context, p core.Partition) (bool, error) {
	made, err := queries.PartitionCreateAnyTenant(ctx, s.pools.upkeep, db.PartitionCreateAnyTenantParams{
		Parent: p.Table, Suffix: p.Suffix, LowerID: p.From, UpperID: p.To,
	})
	return made, mapError(err)
}

// PartitionCaught returns the lowest ids that the default partitions caught, or empty ids.
func (s *Store) PartitionCaught(ctx context.Context) (core.MessageID, core.AttemptID, error) {
	message, err := queries.PartitionMessageCaughtAnyTenant(ctx, s.pools.upkeep)
	if err != nil {
		return "", "", mapError(err)
	}
	attempt, err := queries.PartitionAttemptCaughtAnyTenant(ctx, s.pools.upkeep)
	return core.MessageID(message), core.AttemptID(attempt), mapError(err)
}

// PartitionAnalyze gathers statistics of the partitioned tables whose latest statistics are older than the given
// time, and reports whether there were any. One process does that at a time; the others return false.
func (s *Store) PartitionAnalyze(ctx context.Context, before time.Time) (analyzed bool, err error) {
	err = transact(ctx, s.pools.upkeep, func(t pgx.Tx) error {
		if locked, err := queries.PartitionStatisticsLockAnyTenant(ctx, t); err != nil || !locked {
			return err
		}
		last, err := queries.PartitionStatisticsGetAnyTenant(ctx, t)
		if err != nil {
			return err
		}
		if last.MessageAt.Before(before) {
			analyzed = true
			if _, err := queries.PartitionAnalyzeAnyTenant(ctx, t, "message"); err != nil {
				return err
			}
		}
		if last.AttemptAt.Before(before) {
			analyzed = true
			_, err = queries.PartitionAnalyzeAnyTenant(ctx, t, "attempt")
			return err
		}
		return nil
	})
	return analyzed, mapError(err)
}
