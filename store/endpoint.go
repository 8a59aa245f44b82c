package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) EndpointGet(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	row, err := queries.EndpointGet(ctx, r.conn, db.EndpointGetParams{AppID: app, Ref: ref})
	if err != nil {
		return core.Endpoint{}, mapError(err)
	}
	return r.endpoint(row)
}

func (r reader) EndpointList(ctx context.Context, app core.AppID, page core.Page) ([]core.Endpoint, string, error) {
	conn := meter(r.listing())
	p := db.EndpointListAscendingParams{
		AppID: app, After: page.After, Before: page.Before, MaxRows: int32(page.Limit), MaxLooked: look(page, lookedMost),
	}
	if page.Descending {
		rows, err := queries.EndpointListDescending(ctx, conn, db.EndpointListDescendingParams(p))
		return r.endpoints(paged(conn, endpointKey)(looked(rows, err, func(row db.EndpointListDescendingRow) (db.EndpointGetRow, bool, string) {
			return listedEndpoint(db.EndpointListAscendingRow(row))
		})))
	}
	rows, err := queries.EndpointListAscending(ctx, conn, p)
	return r.endpoints(paged(conn, endpointKey)(looked(rows, err, listedEndpoint)))
}

func listedEndpoint(row db.EndpointListAscendingRow) (db.EndpointGetRow, bool, string) {
	return db.EndpointGetRow{
		AppID: row.AppID, ID: row.ID, UID: row.UID, URL: row.URL, Description: row.Description, Version: row.Version,
		ThrottleRate: row.ThrottleRate, Disabled: row.Disabled, EventTypes: row.EventTypes, Channels: row.Channels,
		Secret: row.Secret, Headers: row.Headers, Metadata: row.Metadata, FailingSince: row.FailingSince,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, OldSecrets: row.OldSecrets,
		OldSecretsExpireAt: row.OldSecretsExpireAt, FIFO: row.FIFO, Failures: row.Failures,
		PausedUntil: row.PausedUntil, DisabledReason: row.DisabledReason,
	}, row.Matches, row.Ended
}

func (r reader) EndpointWanted(ctx context.Context, app core.AppID, eventType string, channels []string) (bool, error) {
	wanted, err := queries.EndpointWanted(ctx, r.conn, db.EndpointWantedParams{AppID: app, EventType: eventType, Channels: channels})
	return wanted, mapError(err)
}

func (t tx) EndpointLock(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	row, err := queries.EndpointLock(ctx, t.conn, db.EndpointLockParams{AppID: app, Ref: ref})
	if err != nil {
		return core.Endpoint{}, mapError(err)
	}
	return t.endpoint(db.EndpointGetRow(row))
}

func (t tx) EndpointCountForInsert(ctx context.Context, app core.AppID, most int) (int, error) {
	// Two statements, so that the second one sees what was committed while the first one waited.
	if _, err := queries.EndpointInsertLock(ctx, t.conn, string(app)); err != nil {
		return 0, mapError(err)
	}
	n, err := queries.EndpointCount(ctx, t.conn, db.EndpointCountParams{AppID: app, Most: int32(most)})
	return int(n), mapError(err)
}

func (t tx) EndpointInsert(ctx context.Context, e core.Endpoint) error {
	c := t.columns(e)
	return wrote(queries.EndpointInsert(ctx, t.conn, db.EndpointInsertParams{
		AppID: e.AppID, ID: e.ID, UID: e.UID, URL: c.url, Description: e.Description, Version: e.Version,
		ThrottleRate: e.ThrottleRate, Disabled: e.Disabled, EventTypes: e.EventTypes, Channels: e.Channels,
		Secret: c.secret, Headers: c.headers, Metadata: e.Metadata,
		CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt, OldSecrets: t.keys.sealMany(e.OldSecrets, e.AppID, e.ID),
		OldSecretsExpireAt: e.OldSecretsExpireAt, FIFO: e.FIFO,
	}))
}

func (t tx) EndpointUpdate(ctx context.Context, e core.Endpoint) error {
	c := t.columns(e)
	err := wrote(queries.EndpointUpdate(ctx, t.conn, db.EndpointUpdateParams{
		AppID: e.AppID, ID: e.ID, UID: e.UID, URL: c.url, Headers: c.headers, Secret: c.secret,
		Description: e.Description, Version: e.Version,
		ThrottleRate: e.ThrottleRate, Disabled: e.Disabled, EventTypes: e.EventTypes, Channels: e.Channels,
		Metadata: e.Metadata, UpdatedAt: e.UpdatedAt, FIFO: e.FIFO,
		FailingSince: e.FailingSince, Failures: e.Failures, PausedUntil: e.PausedUntil, DisabledReason: e.DisabledReason,
	}))
	if err == nil && e.Disabled {
		_, err = t.DeliveryDropByEndpoint(ctx, e.AppID, e.ID) // workers drop the rest
	}
	return t.recall(ctx, e.AppID, err)
}

func (t tx) EndpointDelete(ctx context.Context, app core.AppID, id core.EndpointID, now time.Time) error {
	err := wrote(queries.EndpointDelete(ctx, t.conn, db.EndpointDeleteParams{AppID: app, ID: id, Now: now}))
	if err == nil {
		_, err = t.DeliveryDropByEndpoint(ctx, app, id) // workers drop the rest
	}
	return t.recall(ctx, app, err)
}

// columns seals an endpoint's credentials. The three columns are always written together, whichever of them changes.
func (t tx) columns(e core.Endpoint) columns {
	return t.keys.sealCredentials(credentials{e.URL, e.Headers, e.Secret}, e.AppID, e.ID)
}

// endpoint maps a row and decrypts its secrets. The rows of the other queries have the same shape.
func (r reader) endpoint(row db.EndpointGetRow) (core.Endpoint, error) {
	c, err := r.keys.openCredentials(columns{row.URL, row.Headers, row.Secret}, row.AppID, row.ID)
	if err != nil {
		return core.Endpoint{}, err
	}
	old, err := r.keys.openMany(row.OldSecrets, row.AppID, row.ID)
	if err != nil {
		return core.Endpoint{}, err
	}
	return core.Endpoint{
		AppID: row.AppID, ID: row.ID, UID: row.UID, URL: c.url, Description: row.Description, Version: row.Version,
		ThrottleRate: row.ThrottleRate, Disabled: row.Disabled, FIFO: row.FIFO, EventTypes: row.EventTypes,
		Channels: row.Channels, Secret: c.secret, Headers: c.headers, Metadata: row.Metadata,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		OldSecrets: old, OldSecretsExpireAt: row.OldSecretsExpireAt,
		Health: core.Health{
			FailingSince: row.FailingSince, Failures: row.Failures, PausedUntil: row.PausedUntil,
			DisabledReason: row.DisabledReason,
		},
	}, nil
}

func (r reader) endpoints(rows []db.EndpointGetRow, ended string, err error) ([]core.Endpoint, string, error) {
	if err != nil {
		return nil, "", err
	}
	list := make([]core.Endpoint, len(rows))
	for i, row := range rows {
		if list[i], err = r.endpoint(row); err != nil {
			return nil, "", err
		}
	}
	return list, ended, nil
}
