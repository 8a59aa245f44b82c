package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.Partitioner = (*Store)(nil)

// PartitionCreate makes one partition.
func (s *Store) PartitionCreate(ctx context.Context, p core.Partition) (bool, error) {
	made, err := queries.PartitionCreateAnyTenant(ctx, s.pool, db.PartitionCreateAnyTenantParams{
		Parent: p.Table, Suffix: p.Suffix, LowerID: p.From, UpperID: p.To,
	})
	return made, mapError(err)
}

// PartitionCaught looks for what the default partitions caught.
func (s *Store) PartitionCaught(ctx context.Context) (core.MessageID, core.AttemptID, error) {
	message, err := queries.PartitionMessageCaughtAnyTenant(ctx, s.pool)
	if err != nil {
		return "", "", mapError(err)
	}
	attempt, err := queries.PartitionAttemptCaughtAnyTenant(ctx, s.pool)
	return core.MessageID(message), core.AttemptID(attempt), mapError(err)
}
