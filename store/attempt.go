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

func (r reader) AttemptListByEndpoint(ctx context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptFilter, page core.Page) ([]core.Attempt, string, error) {
	conn := meter(r.listing())
	p := db.AttemptListByEndpointAscendingParams{
		AppID: app, EndpointID: endpoint, After: page.After, Before: page.Before, MaxRows: int32(page.Limit), WithResponse: !page.Bare,
		Statuses: statuses(filter), CodeFrom: filter.CodeFrom, CodeTo: filter.CodeTo,
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedMost),
	}
	if !filter.IsZero() {
		p.MaxLooked = look(page, lookedUpMost)
	}
	if page.Descending {
		rows, err := queries.AttemptListByEndpointDescending(ctx, conn, db.AttemptListByEndpointDescendingParams(p))
		return paged(conn, attemptKey)(looked(rows, err, func(row db.AttemptListByEndpointDescendingRow) (core.Attempt, bool, string) {
			return listedAttempt(db.AttemptListByMessageAscendingRow(row))
		}))
	}
	rows, err := queries.AttemptListByEndpointAscending(ctx, conn, p)
	return paged(conn, attemptKey)(looked(rows, err, func(row db.AttemptListByEndpointAscendingRow) (core.Attempt, bool, string) {
		return listedAttempt(db.AttemptListByMessageAscendingRow(row))
	}))
}

func (r reader) AttemptListByMessage(ctx context.Context, app core.AppID, message core.MessageID, filter core.AttemptFilter, page core.Page) ([]core.Attempt, string, error) {
	conn := meter(r.listing())
	p := db.AttemptListByMessageAscendingParams{
		AppID: app, MessageID: message, After: page.After, Before: page.Before, MaxRows: int32(page.Limit), WithResponse: !page.Bare,
		EndpointID: string(filter.EndpointID), Statuses: statuses(filter),
		CodeFrom: filter.CodeFrom, CodeTo: filter.CodeTo,
		Channel: filter.Channel, Tag: filter.Tag, EventTypes: some(filter.EventTypes),
		MaxLooked: look(page, lookedMost),
	}
	if page.Descending {
		rows, err := queries.AttemptListByMessageDescending(ctx, conn, db.AttemptListByMessageDescendingParams(p))
		return paged(conn, attemptKey)(looked(rows, err, func(row db.AttemptListByMessageDescendingRow) (core.Attempt, bool, string) {
			return listedAttempt(db.AttemptListByMessageAscendingRow(row))
		}))
	}
	rows, err := queries.AttemptListByMessageAscending(ctx, conn, p)
	return paged(conn, attemptKey)(looked(rows, err, listedAttempt))
}

func statuses(filter core.AttemptFilter) []int16 {
	numbers := []int16{}
	for _, s := range filter.Statuses() {
		numbers = append(numbers, int16(s))
	}
	return numbers
}

func listedAttempt(row db.AttemptListByMessageAscendingRow) (core.Attempt, bool, string) {
	return core.Attempt{
		AppID: row.AppID, ID: row.ID, MessageID: row.MessageID, EndpointID: row.EndpointID, URL: row.URL, Status: row.Status,
		ResponseStatusCode: row.ResponseStatusCode, Response: row.Response, DurationMS: row.DurationMS,
		Trigger: row.Trigger, CreatedAt: row.CreatedAt,
	}, row.Matches, row.Ended
}

// some replaces a nil list with an empty one: in SQL the cardinality of NULL is NULL.
func some(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
