package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// codeReadOnly is the SQLSTATE of a write on a standby, or on a server that became one while we were connected.
const codeReadOnly = "25006"

func isReadOnly(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeReadOnly
}

// failover makes the pools reconnect when a server refuses a write. After a failover without a restart, connections
// to the former primary stay open, and only new connections reach the current one. It observes all statements as
// their tracer.
type failover struct {
	clock   func() time.Time
	pools   atomic.Pointer[pools]
	movedAt atomic.Int64 // in nanoseconds
}

// failoverRest is the minimum time between two resets. Otherwise, while no server accepts writes, the pools would do
// nothing but reconnect.
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
