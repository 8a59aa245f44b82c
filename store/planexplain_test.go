package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// planModes are the values of plan_cache_mode: the service's, and custom, because a query should not depend on it.
var planModes = []string{"custom", "generic"}

// planPatience is how long a statement may take. All of them should take milliseconds.
const planPatience = 5 * time.Second

// reading is the result of running a statement under one plan.
type reading struct {
	returned int            // rows returned or written
	rows     int            // rows read from tables
	buffers  int            // pages of tables and indexes
	spilled  bool           // to disk
	endless  bool           // cancelled after planPatience; nothing else is known
	paths    map[string]int // how each table was read, with the number of rows
}

// catalog knows the names of indexes and partitions.
type catalog struct {
	parents map[string]string   // of partitions, and of their indexes
	columns map[string][]string // of indexes
	tables  map[string]string   // of indexes
}

func readCatalog(ctx context.Context, pool *pgxpool.Pool) (catalog, error) {
	c := catalog{parents: map[string]string{}, columns: map[string][]string{}, tables: map[string]string{}}
	rows, err := pool.Query(ctx, "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits")
	if err != nil {
		return c, err
	}
	var child, parent string
	if _, err := pgx.ForEachRow(rows, []any{&child, &parent}, func() error { c.parents[child] = parent; return nil }); err != nil {
		return c, err
	}
	rows, err = pool.Query(ctx, `
		SELECT pg_index.indexrelid::regclass::text, pg_index.indrelid::regclass::text, array_agg(attname ORDER BY attnum)::text[]
		FROM pg_index
		JOIN pg_attribute ON attrelid = pg_index.indexrelid
		GROUP BY 1, 2`)
	if err != nil {
		return c, err
	}
	var index, table string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&index, &table, &columns}, func() error {
		c.tables[index], c.columns[index] = table, columns
		return nil
	})
	return c, err
}

// parent returns the name of the table or index that a partition, or a partition's index, belongs to.
func (c catalog) parent(name string) string { return cmp.Or(c.parents[name], name) }

// planReader explains statements on a connection of the service.
type planReader struct {
	conn    *pgx.Conn
	catalog catalog
}

// read runs a statement in each mode. It rolls back all writes.
func (r planReader) read(ctx context.Context, c queryCase) ([]configured, error) {
	prepared, err := r.conn.Prepare(ctx, "planned", c.sql)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.conn.Deallocate(context.WithoutCancel(ctx), "planned") }()
	execute := "EXECUTE planned"
	if len(c.args) > 0 {
		values, err := literals(r.conn.TypeMap(), prepared.ParamOIDs, c.args)
		if err != nil {
			return nil, err
		}
		execute += "(" + values + ")"
	}
	var readings []configured
	for _, mode := range planModes {
		reading, err := r.explain(ctx, mode, execute)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mode, err)
		}
		if readings = append(readings, configured{mode: mode, reading: reading}); reading.endless {
			break // once is enough
		}
	}
	return readings, nil
}

func (r planReader) explain(ctx context.Context, mode, execute string) (reading, error) {
	text, err := r.run(ctx, fmt.Sprintf("BEGIN; SET LOCAL plan_cache_mode = force_%s_plan; SET LOCAL statement_timeout = %d", mode, planPatience.Milliseconds()))
	if err == nil {
		text, err = r.run(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+execute)
	}
	if _, after := r.run(ctx, "ROLLBACK"); after != nil {
		return reading{}, after
	}
	if failure, is := errors.AsType[*pgconn.PgError](err); is && failure.Code == "57014" {
		return reading{endless: true}, nil
	}
	if err != nil {
		return reading{}, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return reading{}, err
	}
	return r.catalog.summarize(plans[0].Plan), nil
}

// run returns the last row of the result.
func (r planReader) run(ctx context.Context, sql string) (last string, err error) {
	results, err := r.conn.PgConn().Exec(ctx, sql).ReadAll()
	for _, result := range results {
		for _, row := range result.Rows {
			last = string(row[0])
		}
	}
	return last, err
}

// node contains the fields of a plan that we look at.
type node struct {
	Type      string  `json:"Node Type"`
	Operation string  `json:"Operation"`
	Subplan   string  `json:"Subplan Name"`
	CTE       string  `json:"CTE Name"`
	Relation  string  `json:"Relation Name"`
	Index     string  `json:"Index Name"`
	IndexCond string  `json:"Index Cond"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Hit       int     `json:"Shared Hit Blocks"`
	Read      int     `json:"Shared Read Blocks"`
	Spilled   int     `json:"Temp Written Blocks"`
	Plans     []node
}

func (c catalog) summarize(root node) reading {
	r := reading{returned: int(root.Rows), spilled: root.Spilled > 0, paths: map[string]int{}}
	scanned := map[string]bool{}
	c.walk(root, &r, scanned)
	r.buffers = root.Hit + root.Read
	// A writing statement in WITH whose result nobody reads runs at the end, and its cost is not part of the root's.
	for _, child := range root.Plans {
		if name, is := strings.CutPrefix(child.Subplan, "CTE "); is && !scanned[name] {
			r.buffers += child.Hit + child.Read
		}
	}
	return r
}

func (c catalog) walk(n node, r *reading, scanned map[string]bool) {
	if n.Loops > 0 {
		scanned[n.CTE] = true
		switch {
		case n.Type == "ModifyTable":
			written := n.Rows
			if n.Operation == "Insert" || len(n.Plans) > 0 {
				written = max(written, n.Plans[0].Rows*n.Plans[0].Loops)
			}
			r.returned = max(r.returned, int(written))
			r.paths[n.Operation+" "+c.parent(n.Relation)] = 0
		case n.Relation != "":
			read := int((n.Rows + n.Filtered + n.Rechecked) * n.Loops)
			r.rows += read
			r.paths[c.path(n)] += read
		case n.Index != "": // of a Bitmap Heap Scan, which has the row count
			r.paths[c.path(n)] += 0
		}
	}
	for _, child := range n.Plans {
		c.walk(child, r, scanned)
	}
}

// path describes the table, the access method and the columns of the index in the condition: "message: Index Scan on
// message_pkey by app_id, id". For an index that is read from end to end, it names no columns.
func (c catalog) path(n node) string {
	table := cmp.Or(n.Relation, c.tables[n.Index])
	path := c.parent(table) + ": " + strings.TrimSuffix(n.Type, " Backward")
	if n.Index == "" {
		return path
	}
	path += " on " + c.parent(n.Index)
	by := slices.DeleteFunc(slices.Clone(c.columns[n.Index]), func(column string) bool {
		return !slices.ContainsFunc(conditionColumns(n.IndexCond), func(used string) bool { return used == column })
	})
	if len(by) == 0 {
		return path + ", all of it"
	}
	return path + " by " + strings.Join(by, ", ")
}

var (
	rowCondition    = regexp.MustCompile(`ROW\(([^()]*)\) [<>]`)
	columnCondition = regexp.MustCompile(`\(+([\w.]+)\)?(?:::\w+)? (?:=|<=|>=|<|>|IS) `)
)

// conditionColumns returns the columns of the index that a condition uses.
func conditionColumns(condition string) []string {
	var columns []string
	for _, match := range slices.Concat(rowCondition.FindAllStringSubmatch(condition, -1), columnCondition.FindAllStringSubmatch(condition, -1)) {
		for column := range strings.SplitSeq(match[1], ", ") {
			columns = append(columns, column[strings.LastIndex(column, ".")+1:])
		}
	}
	return columns
}

// ways returns the paths in alphabetical order.
func (r reading) ways() []string { return slices.Sorted(maps.Keys(r.paths)) }
