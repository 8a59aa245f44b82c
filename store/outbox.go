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

// OutboxList lists the first messages in the outbox, starting at a place.
func (r reader) OutboxList(ctx context.Context, from core.OutboxPlace, limit int, bytes int64) ([]core.OutboxMessage, core.OutboxPlace, error) {
	if from == (core.OutboxPlace{}) {
		from.ID = math.MinInt64
	}
	waiting, err := queries.OutboxListAnyTenant(ctx, r.conn, db.OutboxListAnyTenantParams{
		FromID: from.ID, Seen: from.Snapshot, MaxRows: int32(limit),
	})
	if err != nil {
		return nil, core.OutboxPlace{}, mapError(err)
	}
	// This is after all ids: only transactions that commit later can add messages.
	next := core.OutboxPlace{ID: math.MaxInt64, Snapshot: waiting[0].Snapshot}
	if waiting[0].Bytes < 0 {
		return nil, next, nil
	}
	keys := outboxFirst(waiting, bytes)
	if n := len(keys); n == limit || n < len(waiting) {
		next.ID = keys[n-1].ID + 1
	}
	found, err := r.outboxGetMany(ctx, keys)
	return found, next, err
}

// OutboxCount counts the messages in the outbox, up to most.
func (r reader) OutboxCount(ctx context.Context, most int) (int64, error) {
	n, err := queries.OutboxCountAnyTenant(ctx, r.conn, int32(most))
	return n, mapError(err)
}

// outboxFirst returns the keys of the first messages, up to the given number of bytes but at least one message.
func outboxFirst(waiting []db.OutboxListAnyTenantRow, bytes int64) (keys []core.OutboxKey) {
	for _, m := range waiting {
		if bytes -= m.Bytes; bytes < 0 && len(keys) > 0 {
			break
		}
		keys = append(keys, core.OutboxKey{ID: m.ID, TxID: m.TxID})
	}
	return keys
}

// outboxGetMany reads messages. If Postgres cannot read one of them, for example because a database in another
// encoding contains bytes that are not a character, outboxGetMany halves the messages until that one fails alone.
func (r reader) outboxGetMany(ctx context.Context, keys []core.OutboxKey) ([]core.OutboxMessage, error) {
	rows, err := queries.OutboxGetManyAnyTenant(ctx, r.conn, outboxIDs(keys))
	if !isRefusal(err) {
		return entities(rows, err, outboxMessage)
	}
	half := len(keys) / 2
	switch {
	case half == 0 && isExhausted(err):
		return nil, mapError(err)
	case half == 0:
		unread := outboxMessage(db.OutboxGetManyAnyTenantRow{})
		unread.OutboxKey, unread.Err = keys[0], err
		return []core.OutboxMessage{unread}, nil
	}
	found, err := r.outboxGetMany(ctx, keys[:half])
	if err != nil {
		return nil, err
	}
	rest, err := r.outboxGetMany(ctx, keys[half:])
	return append(found, rest...), err
}

func outboxIDs(keys []core.OutboxKey) []int64 {
	ids := make([]int64, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	return ids
}

func outboxMessage(row db.OutboxGetManyAnyTenantRow) core.OutboxMessage {
	return core.OutboxMessage{
		OutboxKey: core.OutboxKey{ID: row.ID, TxID: row.TxID}, OrgID: row.OrgID, Application: row.Application,
		EventType: row.EventType, Payload: row.Payload, EventID: row.EventID, Channels: row.Channels, Tags: row.Tags, TraceParent: row.TraceParent,
		Err: nil,
	}
}

// outboxLockTimeout is longer than a frozen consumer keeps its locks (idleInTransaction). A session that
// holds a lock for longer is not ours, and an error in the log shows what the outbox is waiting for.
const outboxLockTimeout = "40s"

func (t tx) OutboxLockMany(ctx context.Context, keys []core.OutboxKey) (ids []int64, err error) {
	if _, err := queries.OutboxLockTimeoutAnyTenant(ctx, t.conn, outboxLockTimeout); err != nil {
		return nil, mapError(err)
	}
	wanted := make(map[core.OutboxKey]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	locked, err := queries.OutboxLockManyAnyTenant(ctx, t.conn, outboxIDs(keys))
	for _, row := range locked {
		if wanted[core.OutboxKey(row)] {
			ids = append(ids, row.ID)
		}
	}
	return ids, mapError(err)
}

func (t tx) OutboxDeleteMany(ctx context.Context, ids []int64) error {
	return wroteMany(len(ids))(queries.OutboxDeleteManyAnyTenant(ctx, t.conn, ids))
}

func (t tx) OutboxDeadLetterMany(ctx context.Context, letters []core.OutboxLetter, now time.Time) error {
	return wroteMany(len(letters))(queries.OutboxDeadLetterManyAnyTenant(ctx, t.conn, db.OutboxDeadLetterManyAnyTenantParams{
		Now:     now,
		IDs:     column(letters, func(l *core.OutboxLetter) int64 { return l.ID }),
		Reasons: column(letters, func(l *core.OutboxLetter) string { return l.Reason }),
	}))
}

// wroteMany checks that a statement about locked rows found all of them.
func wroteMany(want int) func(int64, error) error {
	return func(rows int64, err error) error {
		if err == nil && rows != int64(want) {
			return fmt.Errorf("statement about %d rows wrote %d", want, rows)
		}
		return mapError(err)
	}
}
