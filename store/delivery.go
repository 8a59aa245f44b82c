package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// DeliveryQueue implements [core.DeliveryQueue]. It records the results of many callers in one statement.
type DeliveryQueue struct {
	*Store
	rules     core.HealthRules
	recorder  *batcher[core.Result, core.Recorded]
	postponer *batcher[postponed, struct{}]
	expiry    expiry
	floors    floors

	recordRows func(n int) // counts the results of a statement
}

var _ core.DeliveryQueue = (*DeliveryQueue)(nil)

// NewDeliveryQueue returns a queue that pauses and disables failing endpoints by the given rules.
func NewDeliveryQueue(s *Store, rules core.HealthRules) *DeliveryQueue {
	q := &DeliveryQueue{Store: s, rules: rules, floors: floors{worth: floorWorth}, recordRows: s.batchRows("delivery_record")}
	q.recorder = newBatcher(q.recordMany, func(r core.Result) int { return len(r.Attempt.Response) })
	q.recorder.rest, q.recorder.spans = recordRest, batchSpans{s.tracer, "delivery_record"}
	q.postponer = newBatcher(q.postponeMany, func(postponed) int { return 0 })
	q.postponer.rest, q.postponer.spans = recordRest, batchSpans{s.tracer, "delivery_postpone"}
	return q
}

// MessagePayloadGet reads a payload. The number of concurrent reads is bounded, and applications take turns.
func (q *DeliveryQueue) MessagePayloadGet(ctx context.Context, app core.AppID, id core.MessageID, now time.Time) (string, error) {
	ctx = core.WithCustomer(ctx, core.Customer{AppID: app})
	payload, err := queries.MessagePayloadGet(ctx, q.pools.payloads, db.MessagePayloadGetParams{AppID: app, ID: id, Now: now})
	return payload, mapError(err)
}

func (t tx) DeliveryInsert(ctx context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, now time.Time) error {
	row, err := queries.DeliveryInsert(ctx, t.conn, db.DeliveryInsertParams{
		AppID: string(app), MessageID: string(message), EndpointID: string(endpoint), Now: now,
	})
	return wrote(row.Inserted, err)
}

func (t tx) DeliveryResend(ctx context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, now time.Time) error {
	row, err := queries.DeliveryResend(ctx, t.conn, db.DeliveryResendParams{
		AppID: string(app), MessageID: string(message), EndpointID: string(endpoint), Now: now,
	})
	return wrote(row.Resent, err)
}

func (t tx) DeliveryDropByEndpoint(ctx context.Context, app core.AppID, endpoint core.EndpointID) (int64, error) {
	dropped, err := queries.DeliveryDropByEndpoint(ctx, t.conn, db.DeliveryDropByEndpointParams{
		AppID: app, EndpointID: string(endpoint), MaxRows: core.DropMost,
	})
	return dropped, mapError(err)
}

// DeliveryRelease makes deliveries due immediately, so that other workers need not wait for the leases to expire.
// It does not touch deliveries whose lease is no longer held.
func (q *DeliveryQueue) DeliveryRelease(ctx context.Context, deliveries []core.Delivery, now time.Time) error {
	if len(deliveries) == 0 {
		return nil
	}
	_, err := queries.DeliveryReleaseMany(ctx, q.pool, db.DeliveryReleaseManyParams{
		Now:         now,
		AppIDs:      column(deliveries, func(d *core.Delivery) string { return string(d.AppID) }),
		MessageIDs:  column(deliveries, func(d *core.Delivery) string { return string(d.MessageID) }),
		EndpointIDs: column(deliveries, func(d *core.Delivery) string { return string(d.EndpointID) }),
		Leases:      column(deliveries, func(d *core.Delivery) int64 { return d.Lease }),
	})
	return mapError(err)
}

// postponed is a delivery that is due at another time.
type postponed struct {
	core.Delivery
	until time.Time
}

// DeliveryPostpone gives a lease back, in one statement with those of other callers: a problem of this process
// affects all attempts in progress.
func (q *DeliveryQueue) DeliveryPostpone(ctx context.Context, delivery core.Delivery, until time.Time) error {
	_, err := q.postponer.do(ctx, postponed{delivery, until})
	return err
}

func (q *DeliveryQueue) postponeMany(ctx context.Context, deliveries []postponed) []outcome[struct{}] {
	return separately(deliveries, func(some []postponed) ([]outcome[struct{}], error) {
		_, err := queries.DeliveryPostponeMany(ctx, q.pool, postponeParams(some))
		return make([]outcome[struct{}], len(some)), err
	})
}

func postponeParams(deliveries []postponed) db.DeliveryPostponeManyParams {
	var p db.DeliveryPostponeManyParams
	for _, d := range deliveries {
		p.AppIDs = append(p.AppIDs, string(d.AppID))
		p.MessageIDs = append(p.MessageIDs, string(d.MessageID))
		p.EndpointIDs = append(p.EndpointIDs, string(d.EndpointID))
		p.Leases = append(p.Leases, d.Lease)
		p.LeasedUntils = append(p.LeasedUntils, d.LeasedUntil)
		p.DueAts = append(p.DueAts, d.until)
	}
	return p
}
