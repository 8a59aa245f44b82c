package coretest

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// OperationalEventInsert implements [core.Tx].
func (s *Store) OperationalEventInsert(_ context.Context, e core.OperationalEvent) error {
	s.Told = append(s.Told, e)
	return nil
}

// OperationalEventTakeMany implements [core.Tx].
func (s *Store) OperationalEventTakeMany(_ context.Context, limit int) ([]core.OperationalEvent, error) {
	n := min(limit, len(s.Told))
	taken := slices.Clone(s.Told[:n])
	s.Told = s.Told[n:]
	return taken, nil
}

// DeliverySequenceMany implements [core.Tx].
func (s *Store) DeliverySequenceMany(_ context.Context, messages []core.Sequenced) error {
	s.Sequenced = append(s.Sequenced, messages...)
	return nil
}

// DeliveryLaneList implements [core.Tx].
func (s *Store) DeliveryLaneList(_ context.Context, _ core.Lane, limit int) (waiting []core.Lane, next core.Lane, err error) {
	waiting = slices.Clone(s.Waiting[:min(limit, len(s.Waiting))])
	if len(waiting) < len(s.Waiting) {
		next = waiting[len(waiting)-1]
	}
	return waiting, next, nil
}

// DeliveryFollowMany implements [core.Tx].
func (s *Store) DeliveryFollowMany(_ context.Context, lanes []core.Lane, _ time.Time) error {
	s.Waiting = slices.DeleteFunc(s.Waiting, func(l core.Lane) bool { return slices.Contains(lanes, l) })
	return nil
}

// OutboxLockMany implements [core.Tx].
func (s *Store) OutboxLockMany(_ context.Context, keys []core.OutboxKey) (ids []int64, _ error) {
	for _, key := range s.Outbox {
		if slices.Contains(keys, key) {
			ids = append(ids, key.ID)
		}
	}
	return ids, nil
}

// OutboxDeleteMany implements [core.Tx].
func (s *Store) OutboxDeleteMany(_ context.Context, ids []int64) error {
	s.Outbox = slices.DeleteFunc(s.Outbox, func(key core.OutboxKey) bool { return slices.Contains(ids, key.ID) })
	return nil
}

// OutboxDeadLetterMany implements [core.Tx].
func (s *Store) OutboxDeadLetterMany(ctx context.Context, letters []core.OutboxLetter, _ time.Time) error {
	s.Letters = append(s.Letters, letters...)
	ids := make([]int64, len(letters))
	for i, letter := range letters {
		ids[i] = letter.ID
	}
	return s.OutboxDeleteMany(ctx, ids)
}
