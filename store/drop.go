package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// withdraw drops the deliveries of endpoints that were disabled or deleted. It writes no event per message, because a
// client made that change or endpoint.disabled announced it.
func (q *DeliveryQueue) withdraw(ctx context.Context, c *claim, endpoints []string) error {
	if len(endpoints) == 0 {
		return nil
	}
	rows, err := queries.DeliveryDropManyAnyTenant(ctx, q.pool, db.DeliveryDropManyAnyTenantParams{
		EndpointIDs: endpoints, MaxEach: withdrawEach,
	})
	for _, row := range rows {
		c.Withdrawn = append(c.Withdrawn, core.Withdrawn(row))
	}
	return err
}

// dropUnsendable drops the deliveries that the claim found without a payload, in one transaction with the events
// about them. It leaves deliveries that do have a payload: their endpoint was disabled just now, and the next claim
// withdraws them.
func (q *DeliveryQueue) dropUnsendable(ctx context.Context, c *claim) error {
	if len(c.unsent.MessageIDs) == 0 {
		return nil
	}
	c.unsent.Now = c.now
	var rows []db.DeliveryDropUnsendableManyAnyTenantRow
	err := retried(func() error {
		return transact(ctx, q.pool, func(t pgx.Tx) (err error) {
			if rows, err = queries.DeliveryDropUnsendableManyAnyTenant(ctx, t, c.unsent); err != nil {
				return err
			}
			if err := tellOfDrops(ctx, t, rows); err != nil {
				return err
			}
			return follow(ctx, t, lanesOfDrops(rows), c.now)
		})
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		c.Dropped = append(c.Dropped, core.Dropped{
			AppID: row.AppID, MessageID: row.MessageID, EndpointID: row.EndpointID, Attempts: int(row.Attempts),
			Reason: dropReason(row.Expired),
		})
	}
	return nil
}

func lanesOfDrops(rows []db.DeliveryDropUnsendableManyAnyTenantRow) []core.Lane {
	var lanes []core.Lane
	for _, row := range rows {
		if row.Subject != "" {
			lanes = append(lanes, core.Lane{EndpointID: row.EndpointID, Subject: row.Subject})
		}
	}
	return lanes
}

func dropReason(expired bool) core.DropReason {
	if expired {
		return core.DropExpired
	}
	return core.DropExpunged
}

// tellOfDrops writes events about deliveries whose schedule ends with the drop, as for deliveries whose last attempt
// fails. Manual attempts are not part of a schedule.
func tellOfDrops(ctx context.Context, t pgx.Tx, rows []db.DeliveryDropUnsendableManyAnyTenantRow) error {
	var events attemptEvents
	for _, row := range rows {
		if row.Manual && row.ResumeAt == nil {
			continue
		}
		last := core.Attempt{
			AppID: row.AppID, EndpointID: row.EndpointID, ID: core.AttemptID(row.AttemptID),
			ResponseStatusCode: row.ResponseStatusCode, CreatedAt: row.AttemptedAt,
			// The event contains none of these.
			MessageID: "", URL: "", Status: 0, Response: "", DurationMS: 0, Trigger: 0,
		}
		if last.ID == "" {
			last.ID = core.NoAttempt
		}
		events.add(core.DroppedEventType, row.MessageID, last)
	}
	return events.write(ctx, t)
}
