package store

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.Outbox = (*Store)(nil)

// OutboxList lists the first messages in the outbox.
func (s *Store) OutboxList(ctx context.Context, limit int, bytes int64) ([]core.OutboxMessage, error) {
	rows, err := queries.OutboxListAnyTenant(ctx, s.pool, db.OutboxListAnyTenantParams{MaxRows: int32(limit), MaxBytes: bytes})
	return entities(rows, err, func(row db.OutboxListAnyTenantRow) core.OutboxMessage { return core.OutboxMessage(row) })
}

func (t tx) OutboxLockMany(ctx context.Context, ids []int64) ([]int64, error) {
	locked, err := queries.OutboxLockManyAnyTenant(ctx, t.conn, ids)
	return locked, mapError(err)
}

func (t tx) OutboxDeleteMany(ctx context.Context, ids []int64) error {
	return wroteMany(len(ids))(queries.OutboxDeleteManyAnyTenant(ctx, t.conn, ids))
}

func (t tx) OutboxDeadLetterMany(ctx context.Context, letters []core.OutboxLetter, now time.Time) error {
	p := db.OutboxDeadLetterManyAnyTenantParams{Now: now}
	for _, letter := range letters {
		p.IDs, p.Reasons = append(p.IDs, letter.ID), append(p.Reasons, letter.Reason)
	}
	return wroteMany(len(letters))(queries.OutboxDeadLetterManyAnyTenant(ctx, t.conn, p))
}

// wroteMany checks that a statement about rows that are locked found all of them.
func wroteMany(want int) func(int64, error) error {
	return func(rows int64, err error) error {
		if err == nil && rows != int64(want) {
			return fmt.Errorf("statement about %d rows wrote %d", want, rows)
		}
		return mapError(err)
	}
}
