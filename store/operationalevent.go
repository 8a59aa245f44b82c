package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) OperationalEventInsert(ctx context.Context, e core.OperationalEvent) error {
	_, err := queries.OperationalEventInsert(ctx, t.conn, db.OperationalEventInsertParams{
		OrgID: string(e.OrgID), Type: e.Type, Payload: e.Payload, Subject: e.Subject, OperationalOrgID: string(core.OperationalOrg),
	})
	return mapError(err) // no rows means that nobody wants the event
}

func (t tx) OperationalEventTakeMany(ctx context.Context, limit int) ([]core.OperationalEvent, error) {
	rows, err := queries.OperationalEventTakeManyAnyTenant(ctx, t.conn, int32(limit))
	return entities(rows, err, func(row db.OperationalEventTakeManyAnyTenantRow) core.OperationalEvent {
		return core.OperationalEvent(row)
	})
}
