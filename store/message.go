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

// MessageGetBare is MessageGet without the payload.
func (r reader) MessageGetBare(ctx context.Context, app core.AppID, ref string) (core.Message, error) {
	id := core.MessageID(ref)
	if !core.IsMessageID(ref) {
		var err error
		if id, err = queries.MessageIDGet(ctx, r.conn, db.MessageIDGetParams{AppID: app, EventID: ref}); err != nil {
			return core.Message{}, mapError(err)
		}
	}
	found, _, err := r.on(r.conn).MessageGetMany(ctx, app, []core.MessageID{id}, true)
	if err == nil && len(found) == 0 {
		err = core.NotFound()
	}
	if err != nil {
		return core.Message{}, err
	}
	return found[0], nil
}

// sized is a message without its payload, and the payload's size.
type sized struct {
	core.Message
	bytes int64
}

func (r reader) MessageList(ctx context.Context, app core.AppID, filter core.MessageFilter, page core.Page) ([]core.Message, string, error) {
	list, ended, err := r.messageList(ctx, app, filter, page)
	if err != nil {
		return nil, "", err
	}
	messages, n, err := r.withPayloads(ctx, app, list, page.Bare)
	if err != nil {
		return nil, "", err
	}
	if n < len(list) {
		ended = string(list[n-1].ID)
	}
	return messages, ended, nil
}

func (r reader) messageList(ctx context.Context, app core.AppID, filter core.MessageFilter, page core.Page) ([]sized, string, error) {
	p := db.MessageListAscendingParams{
		AppID: app, After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedMost),
	}
	if page.Descending {
		rows, err := queries.MessageListDescending(ctx, r.listing(), db.MessageListDescendingParams(p))
		return looked(rows, err, func(row db.MessageListDescendingRow) (sized, bool, string) {
			return listedMessage(db.MessageListAscendingRow(row))
		})
	}
	rows, err := queries.MessageListAscending(ctx, r.listing(), p)
	return looked(rows, err, listedMessage)
}

func listedMessage(row db.MessageListAscendingRow) (sized, bool, string) {
	return sized{core.Message{
		AppID: row.AppID, ID: row.ID, EventID: row.EventID, EventType: row.EventType, Channels: row.Channels, Tags: row.Tags,
		ExpiresAt: row.ExpiresAt, CreatedAt: row.CreatedAt, ContentType: row.ContentType,
		DeliverAt: row.DeliverAt, TraceParent: row.TraceParent, Payload: nil, // withPayloads
	}, row.PayloadBytes}, row.Matches, row.Ended
}

func (r reader) MessageGetMany(ctx context.Context, app core.AppID, ids []core.MessageID, bare bool) ([]core.Message, int, error) {
	rows, err := queries.MessageGetMany(ctx, r.listing(), db.MessageGetManyParams{AppID: app, IDs: messageTexts(ids)})
	found := make(map[core.MessageID]sized, len(rows))
	for _, row := range rows {
		found[row.ID] = sized{core.Message{
			AppID: row.AppID, ID: row.ID, EventID: row.EventID, EventType: row.EventType, Channels: row.Channels, Tags: row.Tags,
			ExpiresAt: row.ExpiresAt, CreatedAt: row.CreatedAt, ContentType: row.ContentType,
			DeliverAt: row.DeliverAt, TraceParent: row.TraceParent, Payload: nil, // withPayloads
		}, row.PayloadBytes}
	}
	if err != nil {
		return nil, 0, mapError(err)
	}
	var list []sized
	var places []int
	for place, id := range ids {
		if m, there := found[id]; there {
			list, places = append(list, m), append(places, place)
			delete(found, id)
		}
	}
	messages, n, err := r.withPayloads(ctx, app, list, bare)
	if n < len(list) {
		return messages, places[n], err
	}
	return messages, len(ids), err
}

// withPayloads returns the first n messages, as many as a page may hold, with their payloads. If bare is true, it
// returns all messages without payloads.
func (r reader) withPayloads(ctx context.Context, app core.AppID, list []sized, bare bool) (messages []core.Message, n int, err error) {
	payloads := map[string]string{}
	if n = len(list); !bare {
		if n = fitting(list); n > 0 {
			if payloads, err = r.payloads(ctx, app, list[:n]); err != nil {
				return nil, 0, err
			}
		}
	}
	messages = make([]core.Message, n)
	for i, m := range list[:n] {
		messages[i] = m.Message
		if payload, there := payloads[string(m.ID)]; there {
			messages[i].Payload = &payload
		}
	}
	return messages, n, nil
}

// fitting returns how many of the messages a page may hold with their payloads, at least one.
func fitting(list []sized) int {
	bytes := int64(0)
	for n, m := range list {
		if bytes += m.bytes; bytes > pageBytesMost && n > 0 {
			return n
		}
	}
	return len(list)
}

func (r reader) payloads(ctx context.Context, app core.AppID, list []sized) (map[string]string, error) {
	ids := make([]string, 0, len(list))
	for _, m := range list {
		ids = append(ids, string(m.ID))
	}
	rows, err := queries.MessagePayloadGetMany(ctx, r.listing(), db.MessagePayloadGetManyParams{AppID: app, IDs: ids})
	payloads := make(map[string]string, len(rows))
	for _, row := range rows {
		payloads[row.ID] = row.Payload
	}
	return payloads, mapError(err)
}

func messageTexts(ids []core.MessageID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return texts
}

func (t tx) MessageInsert(ctx context.Context, m core.Message) error {
	return wrote(queries.MessageInsert(ctx, t.conn, db.MessageInsertParams(m)))
}
