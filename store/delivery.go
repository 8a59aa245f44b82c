package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// claimEndpoints is how many endpoints one claim looks at: one index probe each, some 5 us, so a
// claim that finds nothing costs about a millisecond however long the backlog is.
const claimEndpoints = 200

// DeliveryClaim leases due deliveries to the caller.
func (s *Store) DeliveryClaim(ctx context.Context, room core.Room, after core.EndpointID, now time.Time) ([]core.Delivery, core.EndpointID, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, err := queries.DeliveryClaimAnyTenant(ctx, s.pool, db.DeliveryClaimAnyTenantParams{
		Room: int32(room.Total), RoomPerEndpoint: int32(room.PerEndpoint),
		FullEndpointIDs: endpointTexts(room.Full), LeasedUntil: room.LeasedUntil,
		AfterEndpointID: string(after), MaxEndpoints: claimEndpoints, Now: now,
	})
	if err != nil {
		return nil, after, mapError(err)
	}
	next := after
	deliveries := make([]core.Delivery, 0, len(rows))
	for _, row := range rows {
		next = core.EndpointID(row.NextAfter)
		if row.EndpointID == "" {
			continue
		}
		headers, err := readHeaders(row.Headers)
		if err != nil {
			return nil, next, err
		}
		deliveries = append(deliveries, core.Delivery{
			AppID: core.AppID(row.AppID), MessageID: core.MessageID(row.MessageID),
			EndpointID: core.EndpointID(row.EndpointID), Lease: row.Lease, LeasedUntil: room.LeasedUntil,
			Attempts: int(row.Attempts), Manual: row.Manual, ResumeAt: row.ResumeAt,
			URL: row.URL, Secrets: secrets(row.Secret, row.OldSecrets, row.OldSecretsExpireAt, now), Headers: headers,
			ContentType: row.ContentType, Payload: row.Payload,
		})
	}
	return deliveries, next, nil
}

// DeliveryRecord writes a result down together with those of other callers. Done twice, it changes
// nothing the second time.
func (s *Store) DeliveryRecord(ctx context.Context, result core.Result) (bool, error) {
	return s.recorder.do(ctx, result)
}

func (s *Store) deliveryRecordMany(ctx context.Context, results []core.Result) []outcome[bool] {
	return separately(results, func(some []core.Result) ([]outcome[bool], error) {
		rows, err := queries.DeliveryRecordMany(ctx, s.pool, recordParams(some, s.clock()))
		if err != nil {
			return nil, err
		}
		held := make(map[db.DeliveryRecordManyRow]bool, len(rows))
		for _, row := range rows {
			held[row] = true
		}
		outcomes := make([]outcome[bool], len(some))
		for i, r := range some {
			outcomes[i].out = held[db.DeliveryRecordManyRow{
				MessageID: r.Attempt.MessageID, EndpointID: r.Attempt.EndpointID, Lease: r.Lease,
			}]
		}
		return outcomes, nil
	})
}

func recordParams(results []core.Result, now time.Time) db.DeliveryRecordManyParams {
	p := db.DeliveryRecordManyParams{Now: now}
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
func (s *Store) DeliveryRelease(ctx context.Context, deliveries []core.Delivery, now time.Time) error {
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
	_, err := queries.DeliveryReleaseMany(ctx, s.pool, p)
	return mapError(err)
}
