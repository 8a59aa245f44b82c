package world

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Settle vacuums and analyses as autovacuum does once it has caught up: each table and each partition, but never a
// partitioned parent, which autovacuum skips.
func Settle(ctx context.Context, conn *pgx.Conn) error {
	tables, err := leafTables(ctx, conn)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := conn.Exec(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return fmt.Errorf("vacuuming %s: %w", table, err)
		}
	}
	return nil
}

// leafTables returns the quoted names of the tables that contain rows themselves.
func leafTables(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT pg_class.oid::regclass::text
		FROM pg_class
		WHERE relkind = 'r'
			AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'delivery'::regclass)
		ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Statistics is a table's size in pg_class, from which the planner estimates its density.
type Statistics struct{ Pages, Rows int }

// Statistics that a badly timed vacuum leaves for the delivery table.
var (
	VacuumedEmpty  = Statistics{Pages: 1, Rows: 0} // of a queue that has just been drained
	AlmostEmpty    = Statistics{Pages: 33, Rows: 1}
	VacuumedSparse = Statistics{Pages: 1000, Rows: 50} // after a backlog
)

// ForceStatistics writes the statistics for a table and all its indexes, as a vacuum at such a moment does, and
// prevents autovacuum from replacing them. conn must be a superuser's. In a transaction, it is rolled back with it.
// To start from a real vacuum, see VacuumEmpty.
func ForceStatistics(ctx context.Context, conn Conn, table string, s Statistics) error {
	// Two statements, because ALTER TABLE must lock the table first.
	if _, err := conn.Exec(ctx, "ALTER TABLE "+pgx.Identifier{table}.Sanitize()+" SET (autovacuum_enabled = false)"); err != nil {
		return fmt.Errorf("switching autovacuum off for %s: %w", table, err)
	}
	tag, err := conn.Exec(ctx, `
		UPDATE pg_class
		SET relpages = $2,
			reltuples = $3
		WHERE oid = $1::text::regclass
			OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1::text::regclass)`, table, s.Pages, float32(s.Rows))
	if err != nil {
		return fmt.Errorf("forcing statistics of %s: %w", table, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("no table %s", table)
	}
	return nil
}

// VacuumEmpty vacuums a table while it has no rows, and restores the rows. The planner then estimates as for a queue
// that was empty when autovacuum looked. Nobody else may use the table meanwhile.
func VacuumEmpty(ctx context.Context, conn *pgx.Conn, table string) error {
	name := pgx.Identifier{table}.Sanitize()
	for _, statement := range []string{
		"CREATE TEMPORARY TABLE aside AS SELECT * FROM " + name,
		"DELETE FROM " + name,
		// ANALYZE of no rows keeps the columns' statistics; the vacuum counts pages and rows. TRUNCATE at the end
		// would release the pages and defeat the purpose.
		"VACUUM (TRUNCATE false) " + name,
		"ALTER TABLE " + name + " SET (autovacuum_enabled = false)",
		"INSERT INTO " + name + " SELECT * FROM aside",
		"DROP TABLE aside",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("vacuuming %s while empty: %q: %w", table, statement, err)
		}
	}
	return nil
}
