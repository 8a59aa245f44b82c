package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

var _ core.Idempotency = (*Store)(nil)

// errNotKept rolls back work whose answer is no success.
var errNotKept = errors.New("the answer is not kept")

// Once runs work once for a key, in one transaction with the record of its answer.
func (s *Store) Once(ctx context.Context, key core.IdempotencyKey, now time.Time,
	work func(context.Context, core.Store) (core.Answer, error),
) (answer core.Answer, err error) {
	// Twins in other processes wait for each other in Postgres, each with a connection. Here they wait
	// without one: a crowd of them must not leave the pool empty.
	leave, err := s.twins.enter(ctx, key)
	if err != nil {
		return core.Answer{}, mapError(err)
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
		return core.Answer{}, mapError(err)
	}
	return answer, nil
}

func (r reader) once(ctx context.Context, t *unit, key core.IdempotencyKey, now time.Time,
	work func(context.Context, core.Store) (core.Answer, error),
) (core.Answer, error) {
	claimed, err := queries.IdempotencyKeyClaim(ctx, t, db.IdempotencyKeyClaimParams{
		OrgID: key.OrgID, KeyHash: key.Hash[:], Now: now, KeysSince: now.Add(-core.IdempotencyLifetime),
	})
	if err != nil {
		return core.Answer{}, err
	}
	if claimed == 0 {
		row, err := queries.IdempotencyKeyGet(ctx, t, db.IdempotencyKeyGetParams{OrgID: key.OrgID, KeyHash: key.Hash[:]})
		return core.Answer{Status: int(row.Status), Body: row.Body}, err
	}
	answer, err := work(ctx, within{r.on(t), t})
	if err != nil {
		return core.Answer{}, err
	}
	if !answer.Succeeded() {
		return answer, errNotKept
	}
	return answer, wrote(queries.IdempotencyKeyUpdate(ctx, t, db.IdempotencyKeyUpdateParams{
		OrgID: key.OrgID, KeyHash: key.Hash[:], Status: int16(answer.Status), Body: orNone(answer.Body),
	}))
}

// within is the store as the work of a transaction sees it: what it reads and writes is there.
type within struct {
	reader
	t *unit
}

var _ core.Store = within{}

// InTx runs work behind a savepoint: where it fails, for a name that is taken, the transaction goes on
// and can read who has it. It is not run again; the transaction is.
func (w within) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	due, err := w.inTx(ctx, w.t, work)
	w.t.due |= due
	return mapError(err)
}

// Ping tells whether the database answers.
func (w within) Ping(ctx context.Context) error { return mapError(w.t.Conn().Ping(ctx)) }
