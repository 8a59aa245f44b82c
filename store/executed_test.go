package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/db"
)

// executed is a connection that explains each query as it is executed. It uses PREPARE and EXPLAIN EXECUTE, because
// plan_cache_mode does not affect an EXPLAIN with parameters.
type executed struct {
	db.DBTX
	rows float64 // rows read in total
	most float64 // rows that one query read at most
	plan string  // of that query
}

func (e *executed) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := e.explain(ctx, sql, args); err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	return e.DBTX.Query(ctx, sql, args...)
}

func (e *executed) explain(ctx context.Context, sql string, args []any) error {
	conn := e.DBTX.(*pgxpool.Conn).Conn()
	prepared, err := conn.Prepare(ctx, "explained", sql)
	if err != nil {
		return err
	}
	values, err := literals(conn.TypeMap(), prepared.ParamOIDs, args)
	if err != nil {
		return err
	}
	execute := fmt.Sprintf("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE explained(%s)", values)
	var plan string
	if err := conn.QueryRow(ctx, execute, pgx.QueryExecModeSimpleProtocol).Scan(&plan); err != nil {
		return err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(plan), &plans); err != nil {
		return err
	}
	rows := plans[0].Plan.read(map[string]string{})
	if e.rows += rows; rows >= e.most {
		e.most, e.plan = rows, plan
	}
	return conn.Deallocate(ctx, "explained")
}
