package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) AttemptedMessageList(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptedMessageFilter, first core.AttemptID, page core.Page) ([]core.LatestAttempt, string, error) {
	read := r.attemptedMessageList
	if filter.Status != nil && *filter.Status != core.StatusSuccess {
		read = r.attemptedMessageListFailed
	}
	list, ended, err := read(ctx, app, endpoint, filter, first, page)
	if err != nil {
		return nil, "", err
	}
	return list, ended, r.nextAttempts(ctx, app, endpoint, list)
}

// nextAttempts adds the times of the messages' next attempts.
func (r reader) nextAttempts(ctx context.Context, app core.AppID, endpoint core.EndpointID, list []core.LatestAttempt) error {
	ids := make([]string, len(list))
	for i, l := range list {
		ids[i] = string(l.MessageID)
	}
	rows, err := queries.DeliveryDueMany(ctx, r.listing(), db.DeliveryDueManyParams{AppID: app, EndpointID: string(endpoint), MessageIDs: ids})
	due := make(map[core.MessageID]db.DeliveryDueManyRow, len(rows))
	for _, row := range rows {
		due[row.MessageID] = row
	}
	for i, l := range list {
		if row, owed := due[l.MessageID]; owed {
			list[i].NextAt, list[i].Leased = &row.DueAt, row.Leased
		}
	}
	return mapError(err)
}

func (r reader) attemptedMessageList(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptedMessageFilter, first core.AttemptID, page core.Page) ([]core.LatestAttempt, string, error) {
	p := db.AttemptedMessageListAscendingParams{
		AppID: app, EndpointID: endpoint, FirstAttemptID: string(first), Succeeded: filter.Status != nil,
		After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedUpMost),
	}
	if filter.IsZero() {
		p.MaxLooked = look(page, lookedMost)
	}
	if page.Descending {
		rows, err := queries.AttemptedMessageListDescending(ctx, r.listing(), db.AttemptedMessageListDescendingParams(p))
		return looked(rows, err, func(row db.AttemptedMessageListDescendingRow) (core.LatestAttempt, bool, string) {
			return listedLatest(db.AttemptedMessageListAscendingRow(row))
		})
	}
	rows, err := queries.AttemptedMessageListAscending(ctx, r.listing(), p)
	return looked(rows, err, listedLatest)
}

func (r reader) attemptedMessageListFailed(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptedMessageFilter, first core.AttemptID, page core.Page) ([]core.LatestAttempt, string, error) {
	p := db.AttemptedMessageListFailedAscendingParams{
		AppID: app, EndpointID: string(endpoint), FirstAttemptID: string(first), Sending: *filter.Status == core.StatusSending,
		After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedFarMost),
	}
	if page.Descending {
		rows, err := queries.AttemptedMessageListFailedDescending(ctx, r.listing(), db.AttemptedMessageListFailedDescendingParams(p))
		return looked(rows, err, func(row db.AttemptedMessageListFailedDescendingRow) (core.LatestAttempt, bool, string) {
			return listedLatest(db.AttemptedMessageListAscendingRow(row))
		})
	}
	rows, err := queries.AttemptedMessageListFailedAscending(ctx, r.listing(), p)
	return looked(rows, err, func(row db.AttemptedMessageListFailedAscendingRow) (core.LatestAttempt, bool, string) {
		return listedLatest(db.AttemptedMessageListAscendingRow(row))
	})
}

func (r reader) DestinationList(ctx context.Context, app core.AppID, message core.MessageID, first core.AttemptID, page core.Page) ([]core.Destination, string, error) {
	conn := meter(r.listing())
	p := db.DestinationListAscendingParams{
		AppID: app, MessageID: string(message), MaxLooked: lookedAttemptsMost, FirstAttemptID: string(first),
		After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
	}
	if page.Descending {
		rows, err := queries.DestinationListDescending(ctx, conn, db.DestinationListDescendingParams(p))
		return paged(conn, destinationKey)(looked(rows, err, func(row db.DestinationListDescendingRow) (core.Destination, bool, string) {
			return destination(db.DestinationListAscendingRow(row))
		}))
	}
	rows, err := queries.DestinationListAscending(ctx, conn, p)
	return paged(conn, destinationKey)(looked(rows, err, destination))
}

// destination omits secrets and headers, which a list must never show.
func destination(row db.DestinationListAscendingRow) (core.Destination, bool, string) {
	var nextAt *time.Time
	if row.Owed {
		nextAt = &row.DueAt
	}
	return core.Destination{
		Endpoint: core.Endpoint{
			AppID: row.AppID, ID: row.ID, UID: row.UID, URL: row.URL, Description: row.Description, Version: row.Version,
			ThrottleRate: row.ThrottleRate, Disabled: row.Disabled, EventTypes: row.EventTypes, Channels: row.Channels,
			Metadata: row.Metadata, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
			Secret: core.Secret{}, Headers: nil, OldSecrets: nil, OldSecretsExpireAt: nil, // secret
			FIFO: false, Health: core.Health{}, // not part of the response
		},
		Status: core.AttemptStatus(row.Status), NextAt: nextAt, Leased: row.Leased,
	}, true, ""
}

func listedLatest(row db.AttemptedMessageListAscendingRow) (core.LatestAttempt, bool, string) {
	return core.LatestAttempt{
		MessageID: row.MessageID, Status: core.AttemptStatus(row.Status),
		NextAt: nil, Leased: false, // nextAttempts
	}, row.Matches, row.Ended
}
