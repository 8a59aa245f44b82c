package store

import (
	"context"
)

// prunePages is 1 MiB of a table: at most some ten thousand rows per statement.
const prunePages = 128

// prune scans a whole table. An index on the time would find the old rows immediately but slow down
// every message; reading the table once an hour costs less.
func (s *Store) prune(ctx context.Context, table string, slice func(from, to int64) (int64, error)) (int64, error) {
	pages, err := queries.TablePagesAnyTenant(ctx, s.pools.jobs, table)
	var deleted int64
	for from := int64(0); from < pages && err == nil; from += prunePages {
		var rows int64
		rows, err = slice(from, from+prunePages)
		deleted += rows
	}
	return deleted, mapError(err)
}
