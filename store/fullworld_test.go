package store

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// newFullWorld is a world with rows in all tables: owed deliveries in order and in any order, messages and attempts in
// a partition of a week, and a row of each kind that has its own table.
func newFullWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	w.send(3)
	w.record(result(w.claim(room())[0], now()))
	w.leave("acme", `{}`)
	w.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
		VALUES (1, 'org_a', 'acme', 'a', '{}', now(), 'refused', now())`)
	w.exec(`INSERT INTO event_type (org_id, name, description, archived, deprecated, created_at, updated_at)
		VALUES ($1, 'invoice.paid', '', false, false, now(), now())`, testOrg)
	w.exec("INSERT INTO idempotency_key VALUES ($1, sha256(''), 200, '{}', now())", testOrg)
	w.exec("INSERT INTO message_event_id SELECT app_id, 'e-1', id FROM message LIMIT 1")
	w.exec("INSERT INTO message_key SELECT app_id, sha256(''), id, now() FROM message LIMIT 1")
	w.exec("INSERT INTO operational_event (org_id, type, payload) VALUES ($1, 'endpoint.created', '{}')", testOrg)
	w.exec(`INSERT INTO token_revocation (org_id, app_id, token_hash, issued_before, effective_at)
		VALUES ($1, '', sha256(''), now(), now())`, testOrg)
	w.exec(`INSERT INTO background_task (org_id, id, task, app_id, parameters, status, cursor, processed, data, failures, created_at, updated_at, next_at)
		VALUES ($1, 'qtask_1', 'application.stats', $2, '{}', 'running', '', 0, '{}', 0, now(), now(), now())`, testOrg, w.app.ID)
	w.exec(`INSERT INTO attempt_count SELECT app_id, endpoint_id, 1, id, 1, 0 FROM attempt LIMIT 1`)
	w.exec("INSERT INTO delivery_position (id, snapshot) VALUES (1, pg_current_snapshot()) ON CONFLICT DO NOTHING")
	w.exec("INSERT INTO state_reader (reader, expires_at) VALUES ('host 1 a', now())")
	for table, n := range w.rowCounts() {
		if n == 0 {
			t.Errorf("table %s is empty; add a row here", table)
		}
	}
	return w
}

// tableColumns returns the columns of a schema's tables, without partitions and the migrations table.
func tableColumns(t *testing.T, conn querier, schema string) map[string][]string {
	t.Helper()
	found, err := readColumns(t.Context(), conn, schema)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readColumns(ctx context.Context, conn querier, schema string) (map[string][]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT relname, array_agg(attname::text ORDER BY attnum)
		FROM pg_class
		JOIN pg_attribute ON attrelid = pg_class.oid
		WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migrations'
			AND attnum > 0 AND NOT attisdropped
		GROUP BY relname`, schema)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	var table string
	var names []string
	_, err = pgx.ForEachRow(rows, []any{&table, &names}, func() error { found[table] = slices.Clone(names); return nil })
	return found, err
}

// rowCounts returns the number of rows in each table.
func (w *world) rowCounts() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for table := range tableColumns(w.t, w.pool, w.schema) {
		counts[table] = value[int](w, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize())
	}
	return counts
}

// parentsFirst are the tables that others refer to.
var parentsFirst = []string{"application", "endpoint"}

// copyRows copies the rows of some tables into a schema of another version, as far as it has the same columns.
func (w *world) copyRows(t *testing.T, into *pgx.Conn, schema string, tables map[string][]string) {
	t.Helper()
	from, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Release()
	ours := tableColumns(t, w.pool, w.schema)
	for _, table := range append(slices.Clone(parentsFirst), slices.Sorted(maps.Keys(tables))...) {
		names, wanted := tables[table]
		if !wanted {
			continue
		}
		delete(tables, table)
		var list []string
		for _, name := range names {
			if slices.Contains(ours[table], name) {
				list = append(list, pgx.Identifier{name}.Sanitize())
			}
		}
		var rows bytes.Buffer
		read := "COPY (SELECT " + strings.Join(list, ", ") + " FROM " + table + ") TO STDOUT"
		if _, err := from.Conn().PgConn().CopyTo(t.Context(), &rows, read); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		write := "COPY " + schema + "." + table + " (" + strings.Join(list, ", ") + ") FROM STDIN"
		if _, err := into.PgConn().CopyFrom(t.Context(), &rows, write); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		if slices.Contains(names, "id") { // of a sequence, if it is a number
			execOn(t, into, "SELECT setval(pg_get_serial_sequence($1, 'id'), 1000)", schema+"."+table)
		}
	}
}
