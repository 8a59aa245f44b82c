package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) AttemptGet(ctx context.Context, app core.AppID, message core.MessageID, id core.AttemptID) (core.Attempt, error) {
	row, err := queries.AttemptGet(ctx, r.conn, db.AttemptGetParams{AppID: app, MessageID: message, ID: id})
	return core.Attempt(row), mapError(err)
}

func (r reader) AttemptListByEndpoint(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptFilter, page core.Page) ([]core.Attempt, error) {
	p := db.AttemptListByEndpointAscendingParams{
		AppID: app, EndpointID: endpoint, After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		Statuses: statuses(filter), CodeFrom: filter.CodeFrom, CodeTo: filter.CodeTo,
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
	}
	if page.Descending {
		rows, err := queries.AttemptListByEndpointDescending(ctx, r.conn, db.AttemptListByEndpointDescendingParams(p))
		return entities(rows, err, attempt)
	}
	rows, err := queries.AttemptListByEndpointAscending(ctx, r.conn, p)
	return entities(rows, err, attempt)
}

func (r reader) AttemptListByMessage(ctx context.Context, app core.AppID, message core.MessageID, filter core.AttemptFilter, page core.Page) ([]core.Attempt, error) {
	p := db.AttemptListByMessageAscendingParams{
		AppID: app, MessageID: message, After: page.After, Before: page.Before, MaxRows: int32(page.Limit),
		EndpointID: string(filter.EndpointID), Statuses: statuses(filter),
		CodeFrom: filter.CodeFrom, CodeTo: filter.CodeTo,
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
	}
	if page.Descending {
		rows, err := queries.AttemptListByMessageDescending(ctx, r.conn, db.AttemptListByMessageDescendingParams(p))
		return entities(rows, err, attempt)
	}
	rows, err := queries.AttemptListByMessageAscending(ctx, r.conn, p)
	return entities(rows, err, attempt)
}

func statuses(filter core.AttemptFilter) []int16 {
	numbers := []int16{}
	for _, s := range filter.Statuses() {
		numbers = append(numbers, int16(s))
	}
	return numbers
}

func (t tx) AttemptExpunge(ctx context.Context, app core.AppID, message core.MessageID, id core.AttemptID, response string) error {
	return wrote(queries.AttemptExpunge(ctx, t.conn, db.AttemptExpungeParams{AppID: app, MessageID: message, ID: id, Response: response}))
}

func attempt(row db.Attempt) core.Attempt { return core.Attempt(row) }

// some makes an absent list an empty one: in SQL the cardinality of NULL is NULL.
func some(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
