package store

import (
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// expireRows is how many leases one statement ends: some ten milliseconds of work.
	expireRows = 1000

	// expireMargin is how far each expiry goes back before the end of the previous one, for clocks that differ. While
	// a transaction holds a snapshot, each expiry rereads what was deleted in that time.
	expireMargin = 10 * time.Second

	// sweepTimeout bounds a statement of a sweep. While a transaction holds a snapshot, the statement reads everything
	// that was deleted since then, a million entries per second.
	sweepTimeout = 10 * time.Minute
)

// expiry records how far a process has looked for expired leases.
type expiry struct {
	mu    sync.Mutex
	until time.Time // all earlier leases have ended, except for those that only sweeps find
}

// DeliveryExpire makes deliveries due whose leases expired since the previous call.
func (q *DeliveryQueue) DeliveryExpire(ctx context.Context, now time.Time) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	q.expiry.mu.Lock()
	defer q.expiry.mu.Unlock()
	since := q.expiry.until
	if since.IsZero() {
		since = now
	}
	n, err := q.expire(ctx, since.Add(-expireMargin), now)
	if err == nil {
		q.expiry.until = now
	}
	return n, mapError(err)
}

// DeliverySweep finds deliveries that takes, claims and expiries have missed, and makes them due: those with leases
// that expired at any time, fresh ones that the position has passed, and those that were due before the floors of
// their queues. While a transaction holds a snapshot, it reads everything that was deleted since then.
func (q *DeliveryQueue) DeliverySweep(ctx context.Context, now time.Time) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	passed, err := untilFew(func() (int64, error) {
		return queries.DeliveryPassedManyAnyTenant(ctx, q.pool, db.DeliveryPassedManyAnyTenantParams{
			Now: now, MaxRows: expireRows,
		})
	})
	if err != nil {
		return passed, mapError(err)
	}
	expired, err := q.expire(ctx, time.Time{}, now)
	if err != nil {
		return passed + expired, mapError(err)
	}
	return passed + expired, mapError(q.sweepFloors(ctx))
}

func (q *DeliveryQueue) expire(ctx context.Context, since, now time.Time) (int, error) {
	return untilFew(func() (int64, error) {
		return queries.DeliveryExpireManyAnyTenant(ctx, q.pool, db.DeliveryExpireManyAnyTenantParams{
			Since: since, Now: now, MaxRows: expireRows,
		})
	})
}

// untilFew repeats a statement that handles up to expireRows rows until it finds fewer.
func untilFew(statement func() (int64, error)) (n int, err error) {
	for {
		some, err := statement()
		n += int(some)
		if err != nil || some < expireRows {
			return n, err
		}
	}
}

// sweepFloors looks at the queues that have floors, from the beginning of each.
func (q *DeliveryQueue) sweepFloors(ctx context.Context) error {
	for swept := q.floors.next(core.Queue{}); len(swept) > 0; swept = q.floors.next(swept[len(swept)-1]) {
		var p db.DeliveryFirstManyAnyTenantParams
		for _, queue := range swept {
			p.EndpointIDs = append(p.EndpointIDs, string(queue.EndpointID))
			p.Queues = append(p.Queues, int16(queue.Kind))
		}
		began := q.Now()
		found, err := queries.DeliveryFirstManyAnyTenant(ctx, q.pool, p)
		if err != nil {
			return err
		}
		q.floors.swept(swept, found, q.Now().Sub(began) < time.Duration(len(swept))*floorCheap)
	}
	return nil
}
