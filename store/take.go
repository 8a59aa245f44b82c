package store

import (
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// DeliveryTake leases fresh deliveries to the caller, in the order in which they were committed, and moves the
// rest of what it reads to those that wait. One process takes at a time.
func (q *DeliveryQueue) DeliveryTake(ctx context.Context, room core.Room, now time.Time) (core.Taken, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := queries.DeliveryTakeManyAnyTenant(ctx, q.pool, takeParams(room, now))
	if err != nil {
		return core.Taken{}, mapError(err)
	}
	taken := core.Taken{Busy: len(rows) == 0}
	for _, row := range rows {
		if row.MessageID == "" {
			taken.More = int(row.N) == room.Total
			continue
		}
		headers, err := readHeaders(row.Headers)
		if err != nil {
			return core.Taken{}, err
		}
		app, endpoint := core.AppID(row.AppID), core.EndpointID(row.EndpointID)
		secrets, err := q.keys.openSigning(app, endpoint, row.Secret, row.OldSecrets, row.OldSecretsExpireAt, now)
		if err != nil { // left until its lease runs out
			q.unopened.tell(err, now)
			continue
		}
		taken.Deliveries = append(taken.Deliveries, core.Delivery{
			AppID: app, MessageID: core.MessageID(row.MessageID), EndpointID: endpoint,
			Lease: row.Lease, LeasedUntil: room.LeasedUntil, Attempts: int(row.Attempts),
			Failing: row.Failing, Subject: row.Subject,
			URL: row.URL, Secrets: secrets, Headers: headers,
			ContentType: row.ContentType, Payload: row.Payload, TraceParent: row.TraceParent,
		})
	}
	return taken, nil
}

func takeParams(room core.Room, now time.Time) db.DeliveryTakeManyAnyTenantParams {
	return db.DeliveryTakeManyAnyTenantParams{
		Most: int32(room.Total), MaxRows: int32(room.Total + 1), Now: now, LeasedUntil: room.LeasedUntil,
		RoomPerEndpoint: int32(room.PerEndpoint), FullEndpointIDs: endpointTexts(room.Full),
	}
}

const (
	// expireRows is how many leases one statement ends: some ten milliseconds of work.
	expireRows = 1000

	// expireMargin is how far an expiry goes back before the end of the previous one, for clocks that differ. While
	// somebody holds a snapshot, each expiry reads again what was deleted in that time.
	expireMargin = 10 * time.Second

	// sweepInterval is how often an expiry looks at everything. While somebody holds a snapshot, it reads what was
	// deleted since then, a million rows in a second.
	sweepInterval = 5 * time.Minute
)

// sweep is how far a process has looked for leases that ran out.
type sweep struct {
	mu      sync.Mutex
	sweptAt time.Time // when everything was looked at
	until   time.Time // all leases before are over
}

// DeliveryExpire makes deliveries wait whose leases ran out. It reads what became due since it was called
// before, and now and then everything, including fresh deliveries that takes have missed.
func (q *DeliveryQueue) DeliveryExpire(ctx context.Context, now time.Time) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	q.sweep.mu.Lock()
	defer q.sweep.mu.Unlock()
	since, all := q.sweep.until.Add(-expireMargin), now.Sub(q.sweep.sweptAt).Abs() >= sweepInterval
	if all {
		since = time.Time{}
	}
	n, err := untilFew(func() (int64, error) {
		return queries.DeliveryExpireManyAnyTenant(ctx, q.pool, db.DeliveryExpireManyAnyTenantParams{
			Since: since, Now: now, MaxRows: expireRows,
		})
	})
	if err != nil {
		return n, mapError(err)
	}
	q.sweep.until = now
	if !all {
		return n, nil
	}
	passed, err := untilFew(func() (int64, error) {
		return queries.DeliveryPassedManyAnyTenant(ctx, q.pool, expireRows)
	})
	if err == nil {
		q.sweep.sweptAt = now
	}
	return n + passed, mapError(err)
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
