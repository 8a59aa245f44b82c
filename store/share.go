package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// listLimit is how long a statement of a list or of statistics may take. Postgres cancels it then, whatever happened
	// to the request. Lists look at a bounded number of rows, which takes some milliseconds if they are in memory.
	listLimit = 10 * time.Second

	// listWait is how long a list waits for a connection. A dashboard page makes some ten requests at a time, which take
	// some milliseconds each.
	listWait = 2 * time.Second

	// requestWait is the same for everything else a request does. Requests do not queue up for that unless rows are
	// locked.
	requestWait = 10 * time.Second

	// sharedLeast is the minimum number of connections to divide. With fewer, none can be reserved.
	sharedLeast = 6
)

// share is the part of a pool's connections that one kind of work may use at a time. Statements use it like a pool:
// they begin once a place is free.
type share struct {
	pool   *pgxpool.Pool
	places *places
	wait   time.Duration // for a place; 0 means until the context ends
	limit  time.Duration // of one statement, including each statement of a transaction
}

var (
	_ db.DBTX  = (*share)(nil)
	_ beginner = (*share)(nil)
)

func newShare(pool *pgxpool.Pool, places int) *share {
	return &share{pool: pool, places: newPlaces(max(places, 1)), limit: statementTimeout}
}

// limited returns a share of the same places for statements that may take longer.
func (s *share) limited(limit time.Duration) *share {
	longer := *s
	longer.limit = limit
	return &longer
}

// enter waits for a place and returns a function that gives it back. Calling that more than once has no effect.
func (s *share) enter(ctx context.Context) (leave func(), err error) {
	if s.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.wait, errShareFull)
		defer cancel()
	}
	if err := s.places.enter(ctx); err != nil {
		return nil, err
	}
	customer := core.CustomerOf(ctx)
	return sync.OnceFunc(func() { s.places.leave(customer) }), nil
}

// errShareFull differs from other errors in that the database is healthy.
var errShareFull = core.TooBusy("Too many requests of this sort are under way; retry later")

// begin is enter for one statement. It returns the statement's context.
func (s *share) begin(ctx context.Context) (within context.Context, end func(), err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return ctx, nil, err
	}
	// A server that disappeared silently never answers. The deadline closes the connection.
	within, cancel := context.WithTimeout(ctx, s.limit)
	return within, func() { cancel(); leave() }, nil
}

func (s *share) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer end()
	return s.pool.Exec(ctx, sql, args...)
}

func (s *share) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		end()
		return nil, err
	}
	return shareRows{rows, end}, nil
}

// shareRows keeps its place until it is closed.
type shareRows struct {
	pgx.Rows
	end func()
}

func (r shareRows) Close() {
	r.Rows.Close()
	r.end()
}

func (s *share) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return failedRow{err}
	}
	return shareRow{s.pool.QueryRow(ctx, sql, args...), end}
}

// shareRow keeps its place until it is scanned.
type shareRow struct {
	pgx.Row
	end func()
}

func (r shareRow) Scan(into ...any) error {
	defer r.end()
	return r.Row.Scan(into...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// Begin begins a transaction that keeps its place until it is rolled back, which does nothing after a commit.
func (s *share) Begin(ctx context.Context) (pgx.Tx, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	t, err := limitedBegin(ctx, s.pool, s.limit)
	if err != nil {
		leave()
		return nil, err
	}
	return shareTx{t, leave}, nil
}

type shareTx struct {
	pgx.Tx
	leave func()
}

func (t shareTx) Rollback(ctx context.Context) error {
	defer t.leave()
	return t.Tx.Rollback(ctx)
}

// limitedTx is a transaction in which every statement has a deadline, including the statements of its savepoints.
type limitedTx struct {
	pgx.Tx
	limit time.Duration
}

func limitedBegin(ctx context.Context, in beginner, limit time.Duration) (pgx.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t, err := in.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return limitedTx{t, limit}, nil
}

func (t limitedTx) Begin(ctx context.Context) (pgx.Tx, error) {
	return limitedBegin(ctx, t.Tx, t.limit)
}

func (t limitedTx) Commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	return t.Tx.Commit(ctx)
}

func (t limitedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	return t.Tx.Exec(ctx, sql, args...)
}

func (t limitedTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	rows, err := t.Tx.Query(ctx, sql, args...)
	if err != nil {
		cancel()
		return nil, err
	}
	return shareRows{rows, cancel}, nil
}

func (t limitedTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	return shareRow{t.Tx.QueryRow(ctx, sql, args...), cancel}
}
