package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) EventTypeImportLock(ctx context.Context, org core.OrgID) error {
	_, err := queries.EventTypeImportLock(ctx, t.conn, string(org))
	return mapError(err)
}

func (t tx) EventTypeImport(ctx context.Context, et core.EventType) (bool, error) {
	rows, err := queries.EventTypeImport(ctx, t.conn, db.EventTypeImportParams(et))
	return rows > 0, mapError(err)
}

func (t tx) EventTypeArchiveOthers(ctx context.Context, org core.OrgID, names []string, limit int, now time.Time) ([]core.EventType, error) {
	rows, err := queries.EventTypeArchiveOthers(ctx, t.conn, db.EventTypeArchiveOthersParams{
		OrgID: org, Names: names, MaxRows: int32(limit), Now: now,
	})
	return entities(rows, err, func(row db.EventTypeArchiveOthersRow) core.EventType {
		return core.EventType{
			OrgID: row.OrgID, Name: row.Name, Description: row.Description, Archived: row.Archived, Deprecated: row.Deprecated,
			FeatureFlags: row.FeatureFlags, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, GroupName: row.GroupName,
			Schemas: nil, // large, and no caller needs them
		}
	})
}
