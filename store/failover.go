package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// codeReadOnly is what a server says to a write that is a standby, or has become one while we were connected.
const codeReadOnly = "25006"

func isReadOnly(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeReadOnly
}

// failover has a pool connect anew once a server refuses to write: after a failover without a restart, connections stay
// open to the server that was the primary, and only a new one is made to the server that is. It listens to all statements
// as their tracer.
type failover struct {
	clock   func() time.Time
	pool    atomic.Pointer[pgxpool.Pool]
	movedAt atomic.Int64 // in nanoseconds
}

// failoverRest is the least time between two times: where no server takes writes, connecting is all that would be done.
const failoverRest = time.Second

// TraceQueryStart implements [pgx.QueryTracer].
func (f *failover) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (f *failover) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if data.Err == nil || !isReadOnly(data.Err) {
		return
	}
	pool, now, last := f.pool.Load(), f.clock().UnixNano(), f.movedAt.Load()
	if pool != nil && now-last >= int64(failoverRest) && f.movedAt.CompareAndSwap(last, now) {
		pool.Reset() // those in use are closed when they are given back
	}
}
