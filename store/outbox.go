package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.Outbox = (*Store)(nil)

// OutboxList lists the first messages in the outbox from a place on. The snapshot is taken before the list, which so
// has all that was committed in it.
func (r reader) OutboxList(ctx context.Context, from core.OutboxPlace, limit int, bytes int64) ([]core.OutboxMessage, core.OutboxPlace, error) {
	if from == (core.OutboxPlace{}) {
		from.ID = math.MinInt64
	}
	snapshot, err := queries.OutboxSnapshotAnyTenant(ctx, r.conn)
	if err != nil {
		return nil, core.OutboxPlace{}, mapError(err)
	}
	rows, err := queries.OutboxListAnyTenant(ctx, r.conn, db.OutboxListAnyTenantParams{
		FromID: from.ID, Seen: from.Snapshot, Snapshot: snapshot, MaxRows: int32(limit), MaxBytes: bytes,
	})
	found, err := entities(rows, err, outboxMessage)
	if err != nil {
		return nil, core.OutboxPlace{}, err
	}
	return found, outboxReached(rows, limit, snapshot), nil
}

func outboxMessage(row db.OutboxListAnyTenantRow) core.OutboxMessage {
	return core.OutboxMessage{
		ID: row.ID, OrgID: row.OrgID, Application: row.Application, EventType: row.EventType, Payload: row.Payload,
		EventID: row.EventID, Channels: row.Channels, Tags: row.Tags, TraceParent: row.TraceParent,
	}
}

// outboxReached is the place of whoever has taken the rows of a list: behind the last of them, or, if the list is of
// all that there was, behind all ids, so that only transactions that commit later have anything to show.
func outboxReached(rows []db.OutboxListAnyTenantRow, limit int, snapshot string) core.OutboxPlace {
	behind := core.OutboxPlace{ID: math.MaxInt64, Snapshot: snapshot}
	n := len(rows)
	if n > 0 && (n == limit || n < int(rows[0].Waiting)) && rows[n-1].ID < math.MaxInt64 {
		behind.ID = rows[n-1].ID + 1
	}
	return behind
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
