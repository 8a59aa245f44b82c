package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// attemptEvents are operational events about attempts, in order.
type attemptEvents db.OperationalEventRecordManyAnyTenantParams

// add adds an event about an attempt at a message or, if message is empty, about the attempt's endpoint.
func (e *attemptEvents) add(eventType string, message core.MessageID, a core.Attempt) {
	e.Types = append(e.Types, eventType)
	e.AppIDs = append(e.AppIDs, string(a.AppID))
	e.EndpointIDs = append(e.EndpointIDs, string(a.EndpointID))
	e.MessageIDs = append(e.MessageIDs, string(message))
	e.AttemptIDs = append(e.AttemptIDs, string(a.ID))
	e.ResponseStatusCodes = append(e.ResponseStatusCodes, a.ResponseStatusCode)
	e.AttemptedAts = append(e.AttemptedAts, a.CreatedAt)
}

// write stores the events that an operational-webhook endpoint wants.
func (e *attemptEvents) write(ctx context.Context, t pgx.Tx) error {
	if len(e.Types) == 0 {
		return nil
	}
	e.OperationalOrgID = string(core.OperationalOrg)
	_, err := queries.OperationalEventRecordManyAnyTenant(ctx, t, db.OperationalEventRecordManyAnyTenantParams(*e))
	return err
}
