package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) ApplicationGet(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	row, err := queries.ApplicationGet(ctx, r.conn, db.ApplicationGetParams{OrgID: org, Ref: ref})
	return core.Application(row), mapError(err)
}

func (r reader) ApplicationList(ctx context.Context, org core.OrgID, page core.Page) ([]core.Application, string, error) {
	conn := meter(r.listing())
	p := db.ApplicationListAscendingParams{
		OrgID: string(org), After: page.After, Before: page.Before, MaxRows: int32(page.Limit), MaxLooked: look(page, lookedMost),
	}
	if page.Descending {
		rows, err := queries.ApplicationListDescending(ctx, conn, db.ApplicationListDescendingParams(p))
		return paged(conn, applicationKey)(looked(rows, err, func(row db.ApplicationListDescendingRow) (core.Application, bool, string) {
			return listedApplication(db.ApplicationListAscendingRow(row))
		}))
	}
	rows, err := queries.ApplicationListAscending(ctx, conn, p)
	return paged(conn, applicationKey)(looked(rows, err, listedApplication))
}

func listedApplication(row db.ApplicationListAscendingRow) (core.Application, bool, string) {
	return core.Application{
		OrgID: row.OrgID, ID: row.ID, UID: row.UID, Name: row.Name, ThrottleRate: row.ThrottleRate,
		Metadata: row.Metadata, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}, row.Matches, row.Ended
}

func (r reader) ApplicationFilterMany(ctx context.Context, filter core.ApplicationFilter, ids []core.AppID) ([]core.AppID, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	rows, err := queries.ApplicationFilterMany(ctx, r.listing(), db.ApplicationFilterManyParams{
		AppIDs: texts, NoEndpoints: filter.NoEndpoints, DisabledEndpoints: filter.DisabledEndpoints,
		PlayEndpoints: filter.PlayEndpoints,
	})
	return entities(rows, err, func(id string) core.AppID { return core.AppID(id) })
}

// entities converts a statement's rows to core's entities.
func entities[Row, Entity any](rows []Row, err error, entity func(Row) Entity) ([]Entity, error) {
	if err != nil {
		return nil, mapError(err)
	}
	list := make([]Entity, len(rows))
	for i, row := range rows {
		list[i] = entity(row)
	}
	return list, nil
}

func (t tx) ApplicationLock(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	row, err := queries.ApplicationLock(ctx, t.conn, db.ApplicationLockParams{OrgID: org, Ref: ref})
	return core.Application(row), mapError(err)
}

func (t tx) ApplicationLockForDelete(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	row, err := queries.ApplicationLockForDelete(ctx, t.conn, db.ApplicationLockForDeleteParams{OrgID: org, Ref: ref})
	return core.Application(row), mapError(err)
}

func (t tx) ApplicationHold(ctx context.Context, org core.OrgID, id core.AppID) error {
	_, err := queries.ApplicationHold(ctx, t.conn, db.ApplicationHoldParams{OrgID: org, ID: id})
	return mapError(err)
}

func (t tx) ApplicationInsert(ctx context.Context, app core.Application) error {
	return wrote(queries.ApplicationInsert(ctx, t.conn, db.ApplicationInsertParams(app)))
}

func (t tx) ApplicationUpdate(ctx context.Context, app core.Application) error {
	return t.recall(ctx, app.ID, wrote(queries.ApplicationUpdate(ctx, t.conn, db.ApplicationUpdateParams{
		OrgID: app.OrgID, ID: app.ID, UID: app.UID, Name: app.Name, ThrottleRate: app.ThrottleRate,
		Metadata: app.Metadata, UpdatedAt: app.UpdatedAt,
	})))
}

func (t tx) ApplicationDelete(ctx context.Context, org core.OrgID, id core.AppID, now time.Time) error {
	if err := wrote(queries.ApplicationDelete(ctx, t.conn, db.ApplicationDeleteParams{OrgID: org, ID: id, Now: now})); err != nil {
		return err
	}
	// Workers drop the remaining deliveries.
	_, err := queries.DeliveryDropByApplication(ctx, t.conn, db.DeliveryDropByApplicationParams{AppID: id, MaxRows: core.DropMost})
	return t.recall(ctx, id, mapError(err))
}

func (r reader) ApplicationResolveMany(ctx context.Context, org core.OrgID, refs []string) (map[string]core.AppID, error) {
	rows, err := queries.ApplicationResolveMany(ctx, r.conn, db.ApplicationResolveManyParams{OrgID: org, Refs: refs})
	ids := make(map[string]core.AppID, len(rows))
	for _, row := range rows {
		ids[row.Ref] = row.ID
	}
	return ids, mapError(err)
}
