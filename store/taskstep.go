package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) DeliveryCountDue(ctx context.Context, app core.AppID, endpoint core.EndpointID, most int, now time.Time) (int64, error) {
	due, err := queries.DeliveryCountDue(ctx, t.conn, db.DeliveryCountDueParams{
		AppID: app, EndpointID: endpoint, Now: now, MaxRows: int32(most),
	})
	return due, mapError(err)
}

func (t tx) DeliveryRecoverMany(ctx context.Context, app core.AppID, endpoint core.EndpointID, r core.MessageRange, now time.Time) (core.TaskBatch, error) {
	row, err := queries.DeliveryRecoverMany(ctx, t.conn, db.DeliveryRecoverManyParams{
		AppID: app, EndpointID: string(endpoint), FirstAttemptID: string(r.FirstAttempt),
		After: r.After, Before: r.Before, MaxRows: int32(r.Limit), Now: now,
	})
	return core.TaskBatch{NextAfter: row.NextAfter, Processed: row.Processed, Done: row.Done}, mapError(err)
}

func (t tx) DeliveryReplayMissingMany(ctx context.Context, app core.AppID, endpoint core.EndpointID, r core.MessageRange, now time.Time) (core.TaskBatch, error) {
	row, err := queries.DeliveryReplayMissingMany(ctx, t.conn, db.DeliveryReplayMissingManyParams{
		AppID: app, EndpointID: endpoint, FirstAttemptID: string(r.FirstAttempt),
		After: r.After, Before: r.Before, MaxRows: int32(r.Limit), Now: now,
	})
	return core.TaskBatch{NextAfter: row.NextAfter, Processed: row.Processed, Done: row.Done}, mapError(err)
}

func (t tx) DeliveryReplayMany(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.TaskParameters, r core.MessageRange, now time.Time) (core.TaskBatch, error) {
	row, err := queries.DeliveryReplayMany(ctx, t.conn, db.DeliveryReplayManyParams{
		AppID: string(app), EndpointID: endpoint, FirstAttemptID: string(r.FirstAttempt),
		After: r.After, Before: r.Before, MaxRows: int32(r.Limit), Now: now,
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		CodeFrom: filter.CodeFrom, CodeTo: filter.CodeTo, Statuses: standings(filter.Status),
	})
	return core.TaskBatch{NextAfter: row.NextAfter, Processed: row.Processed, Done: row.Done}, mapError(err)
}

// standings returns the statuses that matching messages can have. Every attempted message has one of three.
func standings(only *core.AttemptStatus) []int16 {
	if only != nil {
		return []int16{int16(*only)}
	}
	return []int16{int16(core.StatusSuccess), int16(core.StatusFail), int16(core.StatusSending)}
}

func (t tx) MessagePurgeMany(ctx context.Context, app core.AppID, r core.MessageRange) (core.TaskBatch, error) {
	row, err := queries.MessagePurgeMany(ctx, t.conn, db.MessagePurgeManyParams{
		AppID: app, After: r.After, Before: r.Before, MaxRows: int32(r.Limit),
	})
	return core.TaskBatch(row), t.recall(ctx, app, mapError(err))
}

func (t tx) DestinationCountMany(ctx context.Context, app core.AppID, r core.MessageRange) (core.TaskBatch, error) {
	row, err := queries.DestinationCountMany(ctx, t.conn, db.DestinationCountManyParams{
		AppID: app, FirstAttemptID: string(r.FirstAttempt), After: r.After, Before: r.Before, MaxRows: int32(r.Limit),
	})
	return core.TaskBatch(row), mapError(err)
}

func (t tx) ApplicationEventTypesMany(ctx context.Context, apps []core.AppID) ([]core.AppEventTypes, error) {
	texts := make([]string, len(apps))
	for i, id := range apps {
		texts[i] = string(id)
	}
	rows, err := queries.ApplicationEventTypesMany(ctx, t.conn, texts)
	return entities(rows, err, func(row db.ApplicationEventTypesManyRow) core.AppEventTypes {
		return core.AppEventTypes{AppID: core.AppID(row.AppID), EventTypes: row.EventTypes, CatchAll: row.CatchAll}
	})
}
