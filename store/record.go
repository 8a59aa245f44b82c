package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// DeliveryRecord records a result, in one statement with those of other callers. Recording it again has no effect.
func (q *DeliveryQueue) DeliveryRecord(ctx context.Context, result core.Result) (core.Recorded, error) {
	return q.recorder.do(ctx, result)
}

func (q *DeliveryQueue) recordMany(ctx context.Context, results []core.Result) []outcome[core.Recorded] {
	return separately(results, func(some []core.Result) ([]outcome[core.Recorded], error) {
		rows, err := q.recordBatch(ctx, some)
		if err != nil {
			return nil, err
		}
		recorded, changes := make(map[lease]core.Recorded, len(rows)), map[core.EndpointID]core.HealthChange{}
		for _, row := range rows {
			recorded[lease{row.MessageID, row.EndpointID, row.Lease}] = core.Recorded{Held: true, Resting: row.Resting}
			if row.MessageID == "" {
				changes[row.EndpointID] = core.HealthChange{
					To: core.HealthState(row.Health), FailingSince: row.FailingSince, PausedUntil: row.PausedUntil,
				}
			}
		}
		outcomes := make([]outcome[core.Recorded], len(some))
		for i, r := range some {
			outcomes[i].out = recorded[leaseOf(r)]
			outcomes[i].out.Health = changes[r.Attempt.EndpointID]
			delete(changes, r.Attempt.EndpointID) // one caller is told
		}
		return outcomes, nil
	})
}

// recordBatch records results. Plain results need only a minimal statement. If there are others, all are recorded in
// one transaction with the events about them. So are late results, together with the removal of the stored counts
// that lack them.
func (q *DeliveryQueue) recordBatch(ctx context.Context, results []core.Result) (rows []db.DeliveryRecordManyRow, err error) {
	q.recordRows(len(results))
	plain, others := sortResults(results)
	late := lateAttempts(results, q.Now())
	if len(others) == 0 && len(late) == 0 {
		return finish(ctx, q.pool, plain)
	}
	err = transact(ctx, q.pool, func(t pgx.Tx) error {
		if err := forgetCounts(ctx, t, late); err != nil {
			return err
		}
		finished, err := finish(ctx, t, plain)
		if err != nil || len(others) == 0 {
			rows = finished
			return err
		}
		recorded, err := queries.DeliveryRecordMany(ctx, t, recordParams(others, q.rules, q.Now()))
		if err != nil {
			return err
		}
		rows = slices.Concat(finished, recorded)
		if err := tell(ctx, t, others, recorded); err != nil {
			return err
		}
		return follow(ctx, t, lanesOf(others, recorded), q.Now())
	})
	return rows, err
}

// sortResults separates plain results from the others. If an endpoint has other results as well, its successes
// are among them, because they show that the endpoint is not failing.
func sortResults(results []core.Result) (plain, others []core.Result) {
	judged := map[core.EndpointID]bool{}
	for _, r := range results {
		if !r.Plain() {
			judged[r.Attempt.EndpointID] = true
		}
	}
	for _, r := range results {
		if judged[r.Attempt.EndpointID] {
			others = append(others, r)
		} else {
			plain = append(plain, r)
		}
	}
	return plain, others
}

// finish records plain results.
func finish(ctx context.Context, conn db.DBTX, results []core.Result) ([]db.DeliveryRecordManyRow, error) {
	if len(results) == 0 {
		return nil, nil
	}
	p := recordParams(results, core.HealthRules{}, time.Time{})
	rows, err := queries.DeliveryFinishMany(ctx, conn, db.DeliveryFinishManyParams{
		AppIDs: p.AppIDs, AttemptIDs: p.AttemptIDs, MessageIDs: p.MessageIDs, EndpointIDs: p.EndpointIDs, URLs: p.URLs,
		ResponseStatusCodes: p.ResponseStatusCodes, Responses: p.Responses, DurationsMS: p.DurationsMS,
		Triggers: p.Triggers, CreatedAts: p.CreatedAts, Leases: p.Leases,
	})
	held := make([]db.DeliveryRecordManyRow, len(rows))
	for i, row := range rows {
		held[i] = db.DeliveryRecordManyRow{MessageID: row.MessageID, EndpointID: row.EndpointID, Lease: row.Lease,
			Resting: false, Health: "", FailingSince: time.Time{}, PausedUntil: time.Time{}}
	}
	return held, err
}

// tell writes operational events about the results that were accepted and the endpoints that were disabled.
func tell(ctx context.Context, t pgx.Tx, results []core.Result, rows []db.DeliveryRecordManyRow) error {
	taken, disabled := leases(rows), map[core.EndpointID]bool{}
	for _, row := range rows {
		if core.HealthState(row.Health) == core.HealthDisabled {
			disabled[row.EndpointID] = true
		}
	}
	var events attemptEvents
	for _, r := range results {
		if eventType := r.OperationalEventType(); eventType != "" && taken[leaseOf(r)] {
			events.add(eventType, r.Attempt.MessageID, r.Attempt)
		}
		if disabled[r.Attempt.EndpointID] {
			delete(disabled, r.Attempt.EndpointID)
			events.add(core.EventEndpointDisabled, "", r.Attempt)
		}
	}
	return events.write(ctx, t)
}

// lease identifies a lease. A result is accepted only for the lease it was made under.
type lease struct {
	message  core.MessageID
	endpoint core.EndpointID
	lease    int64
}

// leases returns the leases of the results that were accepted.
func leases(rows []db.DeliveryRecordManyRow) map[lease]bool {
	taken := make(map[lease]bool, len(rows))
	for _, row := range rows {
		taken[lease{row.MessageID, row.EndpointID, row.Lease}] = true
	}
	return taken
}

func leaseOf(r core.Result) lease { return lease{r.Attempt.MessageID, r.Attempt.EndpointID, r.Lease} }

func recordParams(results []core.Result, rules core.HealthRules, now time.Time) db.DeliveryRecordManyParams {
	circuitFailures, disableSince := int32(rules.CircuitFailures), time.Time{}
	if rules.CircuitFailures == 0 {
		circuitFailures = math.MaxInt32
	}
	if rules.DisableAfter > 0 {
		disableSince = now.Add(-rules.DisableAfter)
	}
	return db.DeliveryRecordManyParams{
		MaxRows: int32(2 * len(results)), // each result and its endpoint
		Now:     now, PauseLeast: now.Add(core.CircuitWaitLeast), PauseMost: now.Add(rules.CircuitWait),
		CircuitFailures: circuitFailures, DisableFailures: int32(rules.DisableFailures), DisableSince: disableSince,

		AppIDs:              column(results, func(r *core.Result) string { return string(r.Attempt.AppID) }),
		AttemptIDs:          column(results, func(r *core.Result) string { return string(r.Attempt.ID) }),
		MessageIDs:          column(results, func(r *core.Result) string { return string(r.Attempt.MessageID) }),
		EndpointIDs:         column(results, func(r *core.Result) string { return string(r.Attempt.EndpointID) }),
		URLs:                column(results, func(r *core.Result) string { return r.Attempt.URL }),
		Statuses:            column(results, func(r *core.Result) int16 { return int16(r.Attempt.Status) }),
		ResponseStatusCodes: column(results, func(r *core.Result) int16 { return r.Attempt.ResponseStatusCode }),
		Responses:           column(results, func(r *core.Result) string { return r.Attempt.Response }),
		DurationsMS:         column(results, func(r *core.Result) int64 { return r.Attempt.DurationMS }),
		Triggers:            column(results, func(r *core.Result) int16 { return int16(r.Attempt.Trigger) }),
		CreatedAts:          column(results, func(r *core.Result) time.Time { return r.Attempt.CreatedAt }),
		Leases:              column(results, func(r *core.Result) int64 { return r.Lease }),
		Attempts:            column(results, func(r *core.Result) int16 { return int16(r.Attempts) }),
		Finished:            column(results, func(r *core.Result) bool { return r.NextAt.IsZero() }),
		NextAts:             column(results, func(r *core.Result) time.Time { return r.NextAt }),
		Gone:                column(results, func(r *core.Result) bool { return r.Gone }),
		PauseUntils:         column(results, func(r *core.Result) time.Time { return r.PauseUntil }),
	}
}
