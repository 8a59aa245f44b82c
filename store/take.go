package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// DeliveryTake leases fresh deliveries to the caller, in the order in which they were committed, and makes the
// rest of those it reads wait. One process takes at a time.
func (q *DeliveryQueue) DeliveryTake(ctx context.Context, room core.Room, now time.Time) (core.Taken, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	p := takeParams(room, now)
	rows, err := queries.DeliveryTakeManyAnyTenant(ctx, q.pool, p)
	if err != nil {
		return core.Taken{}, mapError(err)
	}
	taken := core.Taken{Busy: len(rows) == 0}
	for _, row := range rows {
		if row.MessageID == "" {
			taken.More = row.Lease == int64(p.Most) // the lease is the number of rows read
			continue
		}
		if d, ok := q.leased(db.DeliveryClaimManyAnyTenantRow(row), room.LeasedUntil, now); ok {
			taken.Deliveries = append(taken.Deliveries, d)
		}
	}
	return taken, nil
}

func takeParams(room core.Room, now time.Time) db.DeliveryTakeManyAnyTenantParams {
	return db.DeliveryTakeManyAnyTenantParams{
		Most: int32(max(room.Total, room.Read)), Room: int32(room.Total), MaxRows: int32(room.Total + 1), Now: now, LeasedUntil: room.LeasedUntil,
		RoomPerEndpoint: int32(room.PerEndpoint), FullEndpointIDs: texts(room.Full), FullAppIDs: texts(room.FullApps), LargePayload: core.LargePayload,
	}
}
