package store

import (
	"context"
	"math"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// DeliveryQueue is the deliveries as a worker sees them. It records many callers' results in one
// statement.
type DeliveryQueue struct {
	*Store
	rules    core.HealthRules
	recorder *batcher[core.Result, core.Recorded]
}

var _ core.DeliveryQueue = (*DeliveryQueue)(nil)

// NewDeliveryQueue makes a queue, by whose rules endpoints that fail are left alone.
func NewDeliveryQueue(s *Store, rules core.HealthRules) *DeliveryQueue {
	q := &DeliveryQueue{Store: s, rules: rules}
	q.recorder = newBatcher(q.recordMany, func(r core.Result) int { return len(r.Attempt.Response) })
	q.recorder.rest = recordRest
	return q
}

// DeliveryRecord writes a result down together with those of other callers. Done twice, it changes
// nothing the second time.
func (q *DeliveryQueue) DeliveryRecord(ctx context.Context, result core.Result) (core.Recorded, error) {
	return q.recorder.do(ctx, result)
}

func (q *DeliveryQueue) recordMany(ctx context.Context, results []core.Result) []outcome[core.Recorded] {
	return separately(results, func(some []core.Result) ([]outcome[core.Recorded], error) {
		rows, err := queries.DeliveryRecordMany(ctx, q.pool, recordParams(some, q.rules, q.clock()))
		if err != nil {
			return nil, err
		}
		recorded := make(map[lease]core.Recorded, len(rows))
		for _, row := range rows {
			recorded[lease{row.MessageID, row.EndpointID, row.Lease}] = core.Recorded{Held: true, Resting: row.Resting}
		}
		outcomes := make([]outcome[core.Recorded], len(some))
		for i, r := range some {
			outcomes[i].out = recorded[lease{r.Attempt.MessageID, r.Attempt.EndpointID, r.Lease}]
		}
		return outcomes, nil
	})
}

// lease is what a result is taken by.
type lease struct {
	message  core.MessageID
	endpoint core.EndpointID
	lease    int64
}

func recordParams(results []core.Result, rules core.HealthRules, now time.Time) db.DeliveryRecordManyParams {
	p := db.DeliveryRecordManyParams{
		Now: now, PauseLeast: now.Add(core.CircuitWaitLeast), PauseMost: now.Add(rules.CircuitWait),
		CircuitFailures: int32(rules.CircuitFailures), DisableFailures: int32(rules.DisableFailures),
	}
	if rules.CircuitFailures == 0 {
		p.CircuitFailures = math.MaxInt32
	}
	if rules.DisableAfter > 0 {
		p.DisableSince = now.Add(-rules.DisableAfter)
	}
	for _, r := range results {
		a := r.Attempt
		p.AppIDs = append(p.AppIDs, string(a.AppID))
		p.AttemptIDs = append(p.AttemptIDs, string(a.ID))
		p.MessageIDs = append(p.MessageIDs, string(a.MessageID))
		p.EndpointIDs = append(p.EndpointIDs, string(a.EndpointID))
		p.URLs = append(p.URLs, a.URL)
		p.Statuses = append(p.Statuses, int16(a.Status))
		p.ResponseStatusCodes = append(p.ResponseStatusCodes, a.ResponseStatusCode)
		p.Responses = append(p.Responses, a.Response)
		p.DurationsMS = append(p.DurationsMS, a.DurationMS)
		p.Triggers = append(p.Triggers, int16(a.Trigger))
		p.CreatedAts = append(p.CreatedAts, a.CreatedAt)
		p.Leases = append(p.Leases, r.Lease)
		p.Attempts = append(p.Attempts, int16(r.Attempts))
		p.Finished = append(p.Finished, r.NextAt.IsZero())
		p.NextAts = append(p.NextAts, r.NextAt)
		p.Gone = append(p.Gone, r.Gone)
		p.PauseUntils = append(p.PauseUntils, r.PauseUntil)
	}
	return p
}

func (t tx) DeliveryInsert(ctx context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, now time.Time) error {
	return wrote(queries.DeliveryInsert(ctx, t.conn, db.DeliveryInsertParams{
		AppID: string(app), MessageID: string(message), EndpointID: string(endpoint), Now: now,
	}))
}

func (t tx) DeliveryResend(ctx context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, now time.Time) error {
	return wrote(queries.DeliveryResend(ctx, t.conn, db.DeliveryResendParams{
		AppID: string(app), MessageID: string(message), EndpointID: string(endpoint), Now: now,
	}))
}

// DeliveryRelease makes deliveries due at once, so that others need not wait for their leases to run
// out. Those whose lease is no longer held are left alone.
func (q *DeliveryQueue) DeliveryRelease(ctx context.Context, deliveries []core.Delivery, now time.Time) error {
	if len(deliveries) == 0 {
		return nil
	}
	p := db.DeliveryReleaseManyParams{Now: now}
	for _, d := range deliveries {
		p.AppIDs = append(p.AppIDs, string(d.AppID))
		p.MessageIDs = append(p.MessageIDs, string(d.MessageID))
		p.EndpointIDs = append(p.EndpointIDs, string(d.EndpointID))
		p.Leases = append(p.Leases, d.Lease)
	}
	_, err := queries.DeliveryReleaseMany(ctx, q.pool, p)
	return mapError(err)
}
