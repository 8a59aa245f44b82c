package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var (
	_ core.Idempotency       = (*Store)(nil)
	_ core.IdempotencyPruner = (*Store)(nil)
)

// errNotKept rolls back work whose answer is not a success.
var errNotKept = errors.New("the answer is not kept")

// Once runs work once for a key, in one transaction with the record of its answer.
func (s *Store) Once(ctx context.Context, key core.IdempotencyKey, now time.Time,
	work func(context.Context, core.Store) (core.StoredAnswer, error),
) (answer core.StoredAnswer, err error) {
	// Requests with the same key in other processes wait for each other in Postgres, each with a connection. Within
	// this process they wait without one, so that many of them cannot empty the pool.
	leave, err := s.twins.enter(ctx, key)
	if err != nil {
		return core.StoredAnswer{}, mapError(err)
	}
	defer leave()
	err = retried(func() error {
		u := new(unit)
		defer func() { s.announcer.announce(u.due) }()
		return transact(ctx, s.pools.requests, func(t pgx.Tx) error {
			u.Tx = t
			answer, err = s.once(ctx, u, key, now, work)
			return err
		})
	})
	if err != nil && !errors.Is(err, errNotKept) {
		return core.StoredAnswer{}, mapError(err)
	}
	return answer, nil
}

func (r reader) once(ctx context.Context, t *unit, key core.IdempotencyKey, now time.Time,
	work func(context.Context, core.Store) (core.StoredAnswer, error),
) (core.StoredAnswer, error) {
	claimed, err := queries.IdempotencyKeyClaim(ctx, t, db.IdempotencyKeyClaimParams{
		OrgID: key.OrgID, KeyHash: key.Hash[:], Now: now, KeysSince: now.Add(-core.IdempotencyLifetime),
	})
	if err != nil {
		return core.StoredAnswer{}, err
	}
	if claimed == 0 {
		row, err := queries.IdempotencyKeyGet(ctx, t, db.IdempotencyKeyGetParams{OrgID: key.OrgID, KeyHash: key.Hash[:]})
		return core.StoredAnswer{Status: int(row.Status), Body: row.Body}, err
	}
	answer, err := work(ctx, within{r.on(t), t})
	if err != nil {
		return core.StoredAnswer{}, err
	}
	if !answer.Succeeded() {
		return answer, errNotKept
	}
	return answer, wrote(queries.IdempotencyKeyUpdate(ctx, t, db.IdempotencyKeyUpdateParams{
		OrgID: key.OrgID, KeyHash: key.Hash[:], Status: int16(answer.Status), Body: orNone(answer.Body),
	}))
}

// within is the store inside a transaction: all reads and writes go to that transaction.
type within struct {
	reader
	t *unit
}

var _ core.Store = within{}

// InTx runs work behind a savepoint. If work fails, for example because a name is taken, the transaction goes on
// and can read who has the name. InTx does not retry work; the whole transaction is retried.
func (w within) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	due, err := w.inTx(ctx, w.t, work)
	w.t.due |= due
	return mapError(err)
}

// Ping reports whether the database answers.
func (w within) Ping(ctx context.Context) error { return mapError(w.t.Conn().Ping(ctx)) }

// turns admits one caller at a time per key.
type turns[K comparable] struct {
	mu   sync.Mutex
	keys map[K]*turn
}

type turn struct {
	free    chan struct{} // holds one element while no caller is admitted
	callers int           // admitted or waiting
}

// enter waits for the caller's turn, which lasts until the caller calls leave. It returns an error if ctx ends first.
func (ts *turns[K]) enter(ctx context.Context, key K) (leave func(), err error) {
	t := ts.join(key)
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; ts.part(key, t) }, nil
	case <-ctx.Done():
		ts.part(key, t)
		return nil, ctx.Err()
	}
}

func (ts *turns[K]) join(key K) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.keys[key]
	if t == nil {
		if ts.keys == nil {
			ts.keys = map[K]*turn{}
		}
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		ts.keys[key] = t
	}
	t.callers++
	return t
}

func (ts *turns[K]) part(key K, t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.callers--
	if t.callers == 0 {
		delete(ts.keys, key)
	}
}

// IdempotencyPrune deletes old idempotency keys, of messages and of other requests.
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
