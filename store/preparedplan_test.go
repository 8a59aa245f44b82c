package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// prepared is a connection that has each query prepared, and told what its plan really read: the plan that
// Postgres makes in the mode of the connection. EXPLAIN of a query with its arguments never shows a plan for any
// arguments, whatever plan_cache_mode says.
type prepared struct {
	db.DBTX
	auto  bool // Postgres decides after the fifth time
	n     int
	plans []lookupPlan
}

type lookupPlan struct {
	Plan lookupNode
	sql  string
	text string
}

type lookupNode struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Rechecks float64 `json:"Rows Removed by Index Recheck"`
	Hit      int     `json:"Shared Hit Blocks"`
	Read     int     `json:"Shared Read Blocks"`
	Temp     int     `json:"Temp Written Blocks"`
	Plans    []lookupNode
}

// rows is how many rows of tables were read.
func (n lookupNode) rows() (rows float64) {
	if n.Relation != "" && n.Type != "ModifyTable" {
		rows = (n.Rows + n.Removed + n.Rechecks) * n.Loops
	}
	for _, child := range n.Plans {
		rows += child.rows()
	}
	return rows
}

// execute is the statement that executes the query, prepared and explained.
func (p *prepared) execute(ctx context.Context, sql string, args []any) (string, error) {
	p.n++
	name := fmt.Sprintf("look_%d", p.n)
	if _, err := p.DBTX.Exec(ctx, "PREPARE "+name+" AS "+sql); err != nil {
		return "", err
	}
	var places []string
	for i := range args {
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	execute := "EXECUTE " + name
	if len(args) > 0 {
		execute += "(" + strings.Join(places, ", ") + ")"
	}
	explain := func(options string) (text string, err error) {
		err = p.DBTX.QueryRow(ctx, "EXPLAIN ("+options+") "+execute, args...).Scan(&text)
		return text, err
	}
	for i := 0; p.auto && i < 5; i++ {
		if _, err := explain("FORMAT JSON"); err != nil {
			return "", err
		}
	}
	if _, err := p.DBTX.Exec(ctx, "SAVEPOINT look"); err != nil {
		return "", err
	}
	text, err := explain("ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON")
	if err != nil {
		return "", err
	}
	if _, err := p.DBTX.Exec(ctx, "ROLLBACK TO look"); err != nil {
		return "", err
	}
	var plans []lookupPlan
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return "", err
	}
	plans[0].text, plans[0].sql = text, sql
	p.plans = append(p.plans, plans[0])
	return execute, nil
}

func (p *prepared) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	execute, err := p.execute(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return p.DBTX.Query(ctx, execute, args...)
}

func (p *prepared) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	execute, err := p.execute(ctx, sql, args)
	if err != nil {
		return failedRow{err}
	}
	return p.DBTX.QueryRow(ctx, execute, args...)
}

func (p *prepared) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	execute, err := p.execute(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return p.DBTX.Exec(ctx, execute, args...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
