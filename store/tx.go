package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// reader reads on a connection, which belongs to a pool or a transaction.
type reader struct {
	conn  db.DBTX
	lists db.DBTX // for lists and statistics; conn is used if this is nil
	keys  SecretKeys
}

// on returns a reader on another connection.
func (r reader) on(conn db.DBTX) reader { return reader{conn: conn, keys: r.keys} }

// listing returns the connection for statements that read many rows. Look-ups by key do not use it, because writes
// begin with them.
func (r reader) listing() db.DBTX {
	if r.lists != nil {
		return r.lists
	}
	return r.conn
}

// tx is a reader within a unit of work, which can also write.
type tx struct{ reader }

var _ core.Tx = tx{}

const (
	transactionTries = 3
	rollbackTimeout  = 5 * time.Second
)

// unit is the transaction of a unit of work. It is the conn of a tx.
type unit struct {
	pgx.Tx
	due news // to be announced after the commit
}

// InTx runs work in a transaction and commits it. It runs work again after a deadlock or a serialization failure.
func (s *Store) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return s.inTxOf(ctx, s.pools.requests, work)
}

func (s *Store) inTxOf(ctx context.Context, in beginner, work func(context.Context, core.Tx) error) error {
	return mapError(retried(func() error {
		due, err := s.inTx(ctx, in, work)
		s.announcer.announce(due)
		return err
	}))
}

// inTx also returns what became due. That may be set even if inTx returns an error, because a commit may succeed and
// its response be lost.
func (r reader) inTx(ctx context.Context, in beginner, work func(context.Context, core.Tx) error) (due news, err error) {
	err = transact(ctx, in, func(t pgx.Tx) error {
		u := &unit{Tx: t}
		err := work(ctx, tx{r.on(u)})
		due = u.due
		return err
	})
	return due, err
}

func retried(run func() error) error {
	var err error
	for range transactionTries {
		if err = run(); !isRetryable(err) {
			break
		}
	}
	return err
}

// beginner is a pool, a share of one, or a transaction. A transaction that begins inside another is a savepoint.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// transact runs work in a transaction and commits it.
func transact(ctx context.Context, in beginner, work func(pgx.Tx) error) error {
	t, err := in.Begin(ctx)
	if err != nil {
		return err
	}
	// With the request's context, a client that disconnects would cost us the connection.
	defer rollback(context.WithoutCancel(ctx), t)
	if err := work(t); err != nil {
		return err
	}
	return t.Commit(ctx)
}

// rollback does nothing after a commit.
func rollback(ctx context.Context, t pgx.Tx) {
	ctx, cancel := context.WithTimeout(ctx, rollbackTimeout)
	defer cancel()
	_ = t.Rollback(ctx) // a connection that cannot roll back is closed by the pool
}

func isRetryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == codeSerialization || e.Code == codeDeadlock)
}
