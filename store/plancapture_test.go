package store

import (
	"context"
	"errors"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// queryCase is a query with one set of parameters.
type queryCase struct {
	query string // as sqlc names it
	name  string // what the parameters stand for
	sql   string
	args  []any
	of    int  // number of things it is about; 0 for as many as it returns or writes
	most  int  // number of rows it may read; 0 for the limit of rowsAllowed
	hot   bool // it may read three times the buffers that an empty database needs, and no more
}

// query returns a case for a call of a generated method: query("of a small application", queries.MessageGet, ...).
func query[P, R any](name string, method func(context.Context, db.DBTX, P) (R, error), params P) queryCase {
	return queryOf(name, func(ctx context.Context, conn db.DBTX) { _, _ = method(ctx, conn, params) }) // errCaptured
}

// withoutParameters adapts a method without parameters to query.
func withoutParameters[R any](method func(context.Context, db.DBTX) (R, error)) func(context.Context, db.DBTX, struct{}) (R, error) {
	return func(ctx context.Context, conn db.DBTX, _ struct{}) (R, error) { return method(ctx, conn) }
}

// queryOf returns a case for the first statement that a function of the store runs.
func queryOf(name string, run func(context.Context, db.DBTX)) queryCase {
	var c captured
	run(context.Background(), &c)
	return c.query(name)
}

// about sets how many things a statement is about, if that is not the number of rows it returns or writes.
func (c queryCase) about(n int) queryCase { c.of = n; return c }

// reading allows more rows than usual.
func (c queryCase) reading(most int) queryCase { c.most = most; return c }

// filtering allows the maximum number of rows if a list is filtered by something that it has no index for.
func (c queryCase) filtering(is bool) queryCase {
	if is {
		c.most = rowsAtMost
	}
	return c
}

// onHotPath limits a statement by the buffers that it needs in an empty database.
func (c queryCase) onHotPath() queryCase { c.hot = true; return c }

// captured is a connection that records a statement instead of running it.
type captured struct {
	sql  string
	args []any
}

var (
	errCaptured = errors.New("captured")
	queryName   = regexp.MustCompile(`^-- name: (\w+) :`)
)

func (c *captured) query(name string) queryCase {
	return queryCase{query: queryName.FindStringSubmatch(c.sql)[1], name: name, sql: c.sql, args: c.args}
}

func (c *captured) keep(sql string, args []any) {
	if c.sql == "" {
		c.sql, c.args = sql, args
	}
}

func (c *captured) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.keep(sql, args)
	return nil, errCaptured
}

func (c *captured) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	c.keep(sql, args)
	return c
}

func (c *captured) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.keep(sql, args)
	return pgconn.CommandTag{}, errCaptured
}

func (c *captured) Scan(...any) error { return errCaptured }
