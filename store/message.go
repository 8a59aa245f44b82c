package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) MessageGet(ctx context.Context, app core.AppID, ref string) (core.Message, error) {
	if core.IsMessageID(ref) {
		row, err := queries.MessageGet(ctx, r.conn, db.MessageGetParams{AppID: app, ID: core.MessageID(ref)})
		return core.Message(row), mapError(err)
	}
	row, err := queries.MessageGetByEventID(ctx, r.conn, db.MessageGetByEventIDParams{AppID: app, EventID: ref})
	return core.Message(row), mapError(err)
}

func (r reader) MessageList(ctx context.Context, app core.AppID, filter core.MessageFilter, page core.Page) ([]core.Message, string, error) {
	p := db.MessageListAscendingParams{
		AppID: app, After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedMost),
	}
	if page.Descending {
		rows, err := queries.MessageListDescending(ctx, r.listing(), db.MessageListDescendingParams(p))
		return looked(rows, err, func(row db.MessageListDescendingRow) (core.Message, bool, string) {
			return listedMessage(db.MessageListAscendingRow(row))
		})
	}
	rows, err := queries.MessageListAscending(ctx, r.listing(), p)
	return looked(rows, err, listedMessage)
}

func listedMessage(row db.MessageListAscendingRow) (core.Message, bool, string) {
	return core.Message{
		AppID: row.AppID, ID: row.ID, EventID: row.EventID, EventType: row.EventType, Channels: row.Channels, Tags: row.Tags,
		Payload: row.Payload, ExpiresAt: row.ExpiresAt, CreatedAt: row.CreatedAt, ContentType: row.ContentType,
		DeliverAt: row.DeliverAt, TraceParent: row.TraceParent,
	}, row.Matches, row.Ended
}

func (r reader) MessageGetMany(ctx context.Context, app core.AppID, ids []core.MessageID) ([]core.Message, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	rows, err := queries.MessageGetMany(ctx, r.listing(), db.MessageGetManyParams{AppID: app, IDs: texts})
	return entities(rows, err, message)
}

func (t tx) MessageInsert(ctx context.Context, m core.Message) error {
	return wrote(queries.MessageInsert(ctx, t.conn, db.MessageInsertParams(m)))
}

func (t tx) MessageExpungeMany(ctx context.Context, app core.AppID, refs []string) ([]string, error) {
	there, err := queries.MessageExpungeMany(ctx, t.conn, db.MessageExpungeManyParams{AppID: app, Refs: refs})
	return there, t.recall(ctx, app, mapError(err))
}

func message(row db.Message) core.Message { return core.Message(row) }
