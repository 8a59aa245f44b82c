package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) DeliverySequenceMany(ctx context.Context, messages []core.Sequenced) error {
	if len(messages) == 0 {
		return nil
	}
	var p db.DeliverySequenceManyAnyTenantParams
	for _, m := range messages {
		p.AppIDs = append(p.AppIDs, string(m.AppID))
		p.MessageIDs = append(p.MessageIDs, string(m.MessageID))
		p.Subjects = append(p.Subjects, m.Subject)
		p.Places = append(p.Places, m.Place)
	}
	_, err := queries.DeliverySequenceManyAnyTenant(ctx, t.conn, p)
	return mapError(err) // no rows means that no endpoint wants any of them
}

func (t tx) DeliveryLaneList(ctx context.Context, after core.Lane, limit int) (waiting []core.Lane, next core.Lane, err error) {
	rows, err := queries.DeliveryLaneListAnyTenant(ctx, t.conn, db.DeliveryLaneListAnyTenantParams{
		AfterEndpointID: string(after.EndpointID), AfterSubject: after.Subject, MaxLanes: int32(limit),
	})
	for _, row := range rows {
		lane := core.Lane{EndpointID: core.EndpointID(row.EndpointID), Subject: row.Subject}
		if row.Waits {
			waiting = append(waiting, lane)
		}
		if row.N == int32(limit) {
			next = lane
		}
	}
	return waiting, next, mapError(err)
}

func (t tx) DeliveryFollowMany(ctx context.Context, lanes []core.Lane, now time.Time) error {
	return mapError(follow(ctx, t.conn, lanes, now))
}

// follow releases the next delivery of each lane.
func follow(ctx context.Context, conn db.DBTX, lanes []core.Lane, now time.Time) error {
	if len(lanes) == 0 {
		return nil
	}
	_, err := queries.DeliveryFollowManyAnyTenant(ctx, conn, db.DeliveryFollowManyAnyTenantParams{
		Now:         now,
		EndpointIDs: column(lanes, func(l *core.Lane) string { return string(l.EndpointID) }),
		Subjects:    column(lanes, func(l *core.Lane) string { return l.Subject }),
	})
	return err
}

// lanesOf returns the lanes of the deliveries that ended with these results, if the results were accepted.
func lanesOf(results []core.Result, rows []db.DeliveryRecordManyRow) []core.Lane {
	var lanes []core.Lane
	taken := leases(rows)
	for _, r := range results {
		if r.Subject != "" && r.NextAt.IsZero() && taken[leaseOf(r)] {
			lanes = append(lanes, core.Lane{EndpointID: r.Attempt.EndpointID, Subject: r.Subject})
		}
	}
	return lanes
}
