package store

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// commented returns everything in the schema that a DBA can ask a comment of. Partitions and what belongs to them are
// left out: they are copies of their parents. So are NOT NULL constraints, which Postgres 18 has begun to list.
const commented = `
WITH ours AS (
    SELECT oid, relname, relkind
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace
        AND NOT relispartition
        AND relname NOT LIKE 'schema_migrations%'
)
SELECT named.kind, named.name, coalesce(comment.description, '') AS comment
FROM (
    SELECT
        CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END,
        relname, 'pg_class'::regclass, oid, 0
    FROM ours
    WHERE relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S')
    UNION ALL
    SELECT 'column', relname || '.' || attname, 'pg_class'::regclass, ours.oid, attnum
    FROM ours
    JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
    WHERE relkind IN ('r', 'p', 'v', 'm')
    UNION ALL
    SELECT 'constraint', relname || '.' || conname, 'pg_constraint'::regclass, pg_constraint.oid, 0
    FROM ours
    JOIN pg_constraint ON conrelid = ours.oid AND contype IN ('c', 'p', 'u', 'f')
    UNION ALL
    SELECT 'function', proname, 'pg_proc'::regclass, oid, 0
    FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace
) AS named (kind, name, class, oid, part)
LEFT JOIN pg_description AS comment
    ON comment.classoid = named.class AND comment.objoid = named.oid AND comment.objsubid = named.part
ORDER BY named.kind, named.name, named.oid`

func TestEverythingHasAComment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows, err := w.pool.Query(t.Context(), commented)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	var kind, name, comment string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &comment}, func() error {
		kinds[kind]++
		if comment == "" {
			t.Errorf("%s %s has no comment", kind, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"table", "column", "constraint", "index", "sequence", "function"} {
		if kinds[kind] == 0 {
			t.Errorf("found no %s", kind)
		}
	}
}
