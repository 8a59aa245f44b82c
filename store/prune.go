package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.IdempotencyPruner = (*Store)(nil)

// prunePages is 1 MiB of a table: at most some ten thousand rows to a statement.
const prunePages = 128

// IdempotencyPrune deletes old keys, those of messages and the others.
func (s *Store) IdempotencyPrune(ctx context.Context, before time.Time) (int64, error) {
	keys, err := s.prune(ctx, "idempotency_key", func(from, to int64) (int64, error) {
		return queries.IdempotencyKeyDeleteManyAnyTenant(ctx, s.pools.jobs,
			db.IdempotencyKeyDeleteManyAnyTenantParams{FromPage: from, ToPage: to, Before: before})
	})
	if err != nil {
		return keys, err
	}
	messages, err := s.prune(ctx, "message_key", func(from, to int64) (int64, error) {
		return queries.MessageKeyDeleteManyAnyTenant(ctx, s.pools.jobs,
			db.MessageKeyDeleteManyAnyTenantParams{FromPage: from, ToPage: to, Before: before})
	})
	return keys + messages, err
}

// prune goes through a table from end to end. An index on the time would find the old rows at once,
// and cost every message some of its speed; to read the table once an hour costs less.
func (s *Store) prune(ctx context.Context, table string, slice func(from, to int64) (int64, error)) (int64, error) {
	pages, err := queries.TablePagesAnyTenant(ctx, s.pools.jobs, table)
	var deleted int64
	for from := int64(0); from < pages && err == nil; from += prunePages {
		var rows int64
		rows, err = slice(from, from+prunePages)
		deleted += rows
	}
	return deleted, mapError(err)
}
