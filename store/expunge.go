package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) MessageExpungeMany(ctx context.Context, app core.AppID, refs []string) ([]string, error) {
	there, err := queries.MessageExpungeMany(ctx, t.conn, db.MessageExpungeManyParams{AppID: app, Refs: refs})
	return there, t.recall(ctx, app, mapError(err))
}

func (t tx) AttemptExpunge(ctx context.Context, app core.AppID, message core.MessageID, id core.AttemptID, response string) error {
	return wrote(queries.AttemptExpunge(ctx, t.conn, db.AttemptExpungeParams{AppID: app, MessageID: message, ID: id, Response: response}))
}
