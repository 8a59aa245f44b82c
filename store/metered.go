package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// metered is a connection whose statements return rows up to a number of bytes, plus one row. It discards the
// remaining rows as they arrive.
type metered struct {
	db.DBTX
	left int
	cut  bool // there were more rows
}

// meter bounds the rows of a page.
func meter(conn db.DBTX) *metered { return &metered{DBTX: conn, left: pageBytesMost} }

// Query implements [db.DBTX].
func (m *metered) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := m.DBTX.Query(ctx, sql, args...)
	if err != nil {
		return rows, err
	}
	return &meteredRows{rows, m}, nil
}

type meteredRows struct {
	pgx.Rows
	m *metered
}

// Next implements [pgx.Rows].
func (r *meteredRows) Next() bool {
	if r.m.cut || !r.Rows.Next() {
		return false
	}
	if r.m.left <= 0 {
		r.m.cut = true
		r.Close()
		return false
	}
	for _, value := range r.RawValues() {
		r.m.left -= len(value)
	}
	return true
}

// paged adjusts the result of a list that was read through m: if m cut the list off, ended is the key of its last
// row.
func paged[Entity any](m *metered, key func(Entity) string) func([]Entity, string, error) ([]Entity, string, error) {
	return func(list []Entity, ended string, err error) ([]Entity, string, error) {
		if err == nil && m.cut && ended == "" && len(list) > 0 {
			ended = key(list[len(list)-1])
		}
		return list, ended, err
	}
}

func applicationKey(a core.Application) string           { return string(a.ID) }
func eventTypeKey(t core.EventType) string               { return t.Name }
func endpointKey(e db.EndpointGetRow) string             { return string(e.ID) }
func attemptKey(a core.Attempt) string                   { return string(a.ID) }
func destinationKey(d core.Destination) string           { return string(d.Endpoint.ID) }
func taskKey(t db.BackgroundTaskListAscendingRow) string { return string(t.ID) }
