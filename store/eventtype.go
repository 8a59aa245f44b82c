package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) EventTypeGet(ctx context.Context, org core.OrgID, name string) (core.EventType, error) {
	row, err := queries.EventTypeGet(ctx, r.conn, db.EventTypeGetParams{OrgID: org, Name: name})
	return core.EventType(row), mapError(err)
}

func (r reader) EventTypeList(ctx context.Context, org core.OrgID, filter core.EventTypeFilter, page core.Page) ([]core.EventType, string, error) {
	conn := meter(r.listing())
	p := db.EventTypeListAscendingParams{
		OrgID: org, After: page.After, Before: page.Before, MaxRows: int32(page.Limit), MaxLooked: look(page, lookedMost),
		Archived: filter.Archived, AllFlags: filter.AllFlags, Flags: filter.Flags,
	}
	if page.Descending {
		rows, err := queries.EventTypeListDescending(ctx, conn, db.EventTypeListDescendingParams(p))
		return paged(conn, eventTypeKey)(looked(rows, err, func(row db.EventTypeListDescendingRow) (core.EventType, bool, string) {
			return listedEventType(db.EventTypeListAscendingRow(row))
		}))
	}
	rows, err := queries.EventTypeListAscending(ctx, conn, p)
	return paged(conn, eventTypeKey)(looked(rows, err, listedEventType))
}

func listedEventType(row db.EventTypeListAscendingRow) (core.EventType, bool, string) {
	return core.EventType{
		OrgID: row.OrgID, Name: row.Name, Description: row.Description, Archived: row.Archived, Deprecated: row.Deprecated,
		Schemas: row.Schemas, FeatureFlags: row.FeatureFlags, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		GroupName: row.GroupName,
	}, row.Matches, row.Ended
}

func (r reader) EventTypeNames(ctx context.Context, org core.OrgID, names []string) ([]string, error) {
	known, err := queries.EventTypeNames(ctx, r.conn, db.EventTypeNamesParams{OrgID: org, Names: names})
	return known, mapError(err)
}

func (t tx) EventTypeLock(ctx context.Context, org core.OrgID, name string) (core.EventType, error) {
	row, err := queries.EventTypeLock(ctx, t.conn, db.EventTypeLockParams{OrgID: org, Name: name})
	return core.EventType(row), mapError(err)
}

func (t tx) EventTypeInsert(ctx context.Context, et core.EventType) error {
	rows, err := queries.EventTypeInsert(ctx, t.conn, db.EventTypeInsertParams(et))
	if err == nil && rows == 0 {
		return &core.Error{
			Kind: core.KindConflict, Code: "event_type_exists",
			Message: "An event_type with this name already exists",
		}
	}
	return mapError(err)
}

func (t tx) EventTypeUpdate(ctx context.Context, et core.EventType) error {
	return wrote(queries.EventTypeUpdate(ctx, t.conn, db.EventTypeUpdateParams{
		OrgID: et.OrgID, Name: et.Name, Description: et.Description, Archived: et.Archived,
		Deprecated: et.Deprecated, Schemas: et.Schemas, FeatureFlags: et.FeatureFlags, UpdatedAt: et.UpdatedAt,
		GroupName: et.GroupName,
	}))
}

func (t tx) EventTypeDelete(ctx context.Context, org core.OrgID, name string) error {
	return wrote(queries.EventTypeDelete(ctx, t.conn, db.EventTypeDeleteParams{OrgID: org, Name: name}))
}
