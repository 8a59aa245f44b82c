package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) EndpointGet(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	row, err := queries.EndpointGet(ctx, r.conn, db.EndpointGetParams{AppID: app, Ref: ref})
	return core.Endpoint(row), mapError(err)
}

func (r reader) EndpointList(ctx context.Context, app core.AppID, page core.Page) ([]core.Endpoint, error) {
	p := db.EndpointListAscendingParams{AppID: app, After: page.After, Before: page.Before, MaxRows: int32(page.Limit)}
	if page.Descending {
		rows, err := queries.EndpointListDescending(ctx, r.conn, db.EndpointListDescendingParams(p))
		return entities(rows, err, func(row db.EndpointListDescendingRow) core.Endpoint { return core.Endpoint(row) })
	}
	rows, err := queries.EndpointListAscending(ctx, r.conn, p)
	return entities(rows, err, func(row db.EndpointListAscendingRow) core.Endpoint { return core.Endpoint(row) })
}

func (t tx) EndpointLock(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	row, err := queries.EndpointLock(ctx, t.conn, db.EndpointLockParams{AppID: app, Ref: ref})
	return core.Endpoint(row), mapError(err)
}

func (t tx) EndpointInsert(ctx context.Context, e core.Endpoint) error {
	return wrote(queries.EndpointInsert(ctx, t.conn, db.EndpointInsertParams(e)))
}

func (t tx) EndpointUpdate(ctx context.Context, e core.Endpoint) error {
	return wrote(queries.EndpointUpdate(ctx, t.conn, db.EndpointUpdateParams{
		AppID: e.AppID, ID: e.ID, UID: e.UID, URL: e.URL, Description: e.Description, Version: e.Version,
		ThrottleRate: e.ThrottleRate, Disabled: e.Disabled, EventTypes: e.EventTypes, Channels: e.Channels,
		Metadata: e.Metadata, UpdatedAt: e.UpdatedAt,
	}))
}

func (t tx) EndpointDelete(ctx context.Context, app core.AppID, id core.EndpointID, now time.Time) error {
	return wrote(queries.EndpointDelete(ctx, t.conn, db.EndpointDeleteParams{AppID: app, ID: id, Now: now}))
}
