package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// codeReadOnly is what a server says to a write that is a standby, or has become one while we were connected.
const codeReadOnly = "25006"

func isReadOnly(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeReadOnly
}

// failover has the pools connect anew once a server refuses to write: after a failover without a restart, connections stay
// open to the server that was the primary, and only a new one is made to the server that is. It listens to all statements
// as their tracer.
type failover struct {
	clock   func() time.Time
	pools   atomic.Pointer[pools]
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
	pools, now, last := f.pools.Load(), f.clock().UnixNano(), f.movedAt.Load()
	if pools != nil && now-last >= int64(failoverRest) && f.movedAt.CompareAndSwap(last, now) {
		pools.reset()
	}
}
