package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// oddValues are values, as SQL, that the types allow but nobody expects.
var oddValues = map[string][]string{
	"text":                       {"''", `E'\x01\t\n'`, "repeat('x', 1000000)", "'\u202e'", "NULL"},
	"bytea":                      {"''", `'\x00'`, `'\xff00ff'`, "NULL"},
	"jsonb":                      {"'null'", "'[]'", "'{}'", "'1'", `'"x"'`, `'{"a": 1}'`, `'{"a": null}'`, `'{"a": {"b": []}}'`, `'[{"a": "b"}]'`, `'{"": "x"}'`, `'{"a\n": "b\r\nc: d"}'`, "NULL"},
	"timestamp with time zone":   {"'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31'", "'epoch'", "NULL"},
	"smallint":                   {"-32768", "-1", "0", "1", "2", "3", "32767", "NULL"},
	"integer":                    {"-2147483648", "0", "2147483647", "NULL"},
	"bigint":                     {"-9223372036854775808", "-1", "0", "9223372036854775807", "NULL"},
	"boolean":                    {"true", "false", "NULL"},
	"xid8":                       {"'0'", "'3'", "'18446744073709551615'"},
	"text[]":                     {"'{}'", "'{NULL}'", `'{""}'`, "'{a,NULL}'", "'{{a,b},{c,d}}'", "'[5:6]={a,b}'", "NULL"},
	"bytea[]":                    {"'{}'", "'{NULL}'", `'{""}'`, "NULL"},
	"timestamp with time zone[]": {"'{}'", "'{NULL}'", "'{infinity}'", "'{-infinity}'", "'{294276-12-31}'", "NULL"},
}

// oddPairs are odd values that go together with a value of another column.
var oddPairs = map[string][]string{
	"endpoint.paused_until": {
		"'infinity', paused_at = 'infinity'", "'-infinity', paused_at = '-infinity'", "'1970-01-01', paused_at = '-infinity'",
		"'1970-01-01', paused_at = '294276-12-31'",
	},
	"endpoint.old_secrets": {
		"'{NULL}', old_secrets_expire_at = '{NULL}'", "'{NULL}', old_secrets_expire_at = '{2100-01-01}'",
		`'{"\\x00"}', old_secrets_expire_at = '{infinity}'`, `'{"\\x00"}', old_secrets_expire_at = '{NULL}'`,
		`'{"\\x00"}', old_secrets_expire_at = '{2100-01-01}'`,
		`'{{"\\x00","\\x01"}}', old_secrets_expire_at = '{{2100-01-01,2100-01-01}}'`,
	},
	"delivery.queue":   {"2, seq = -9223372036854775808", "2, seq = 9223372036854775807"},
	"delivery.subject": {"'', place = -9223372036854775808", "'x', place = 9223372036854775807"},
}

// badRow has the rows of two customers; one row of the first customer is odd.
type badRow struct {
	*world
	odd        core.Endpoint
	oddApp     core.Application
	oddMessage core.MessageID
	inserter   *MessageInserter
}

// rows identifies the odd customer's row in each table that the hot path reads.
func (b *badRow) rows() map[string]string {
	return map[string]string{
		"application": fmt.Sprintf("id = '%s'", b.oddApp.ID),
		"endpoint":    fmt.Sprintf("id = '%s'", b.odd.ID),
		"message":     fmt.Sprintf("id = '%s'", b.oddMessage),
		"delivery":    fmt.Sprintf("endpoint_id = '%s'", b.odd.ID),
	}
}

// othersGoOn stores, takes, claims and records for the other customer, and in the same statements for the odd one.
func (b *badRow) othersGoOn(t *testing.T) {
	t.Helper()
	of := func(app core.AppID) core.NewMessage {
		return b.event(func(m *core.NewMessage) { m.AppRef = string(app) })
	}
	messages := []core.NewMessage{of(b.oddApp.ID), of(b.app.ID), of(b.oddApp.ID), of(b.app.ID)}
	stored := b.inserter.MessageInsertMany(t.Context(), messages)
	want := map[core.MessageID]bool{}
	for _, i := range []int{1, 3} {
		if want[messages[i].ID] = true; stored[i].Err != nil {
			t.Errorf("a message of another was not stored: %v", stored[i].Err)
		}
	}
	b.exec("UPDATE delivery SET state = 'waiting', due_at = now() - interval '1 s' WHERE message_id = $1", messages[3].ID)
	d := &takes{room: room()}
	handed := []core.NewMessage{of(b.oddApp.ID), of(b.app.ID)}
	if stored := NewMessageInserter(b.Store, d).MessageInsertMany(t.Context(), handed); stored[1].Err != nil {
		t.Errorf("a message of another was not stored: %v", stored[1].Err)
	}
	if !slices.ContainsFunc(d.taken, func(d core.Delivery) bool { return d.MessageID == handed[1].ID }) {
		t.Error("a delivery of another was not handed over")
	}
	q := b.queue()
	r := takeRoom(20)
	taken, err := q.DeliveryTake(t.Context(), r, now())
	if err != nil {
		t.Errorf("take: %v", err)
	}
	r.Fresh = false
	claim, err := q.DeliveryClaim(t.Context(), r, core.Queue{}, now())
	if err != nil {
		t.Errorf("claim: %v", err)
	}
	for _, d := range append(taken.Deliveries, claim.Deliveries...) {
		if d.AppID != b.app.ID {
			continue
		}
		delete(want, d.MessageID)
		if recorded, err := q.DeliveryRecord(t.Context(), result(d, time.Time{})); err != nil || !recorded.Held {
			t.Errorf("record: %v, %v", recorded, err)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d deliveries of another were not leased", len(want))
	}
	if _, err := q.DeliveryExpire(t.Context(), now()); err != nil {
		t.Errorf("expire: %v", err)
	}
	if _, err := q.DeliverySweep(t.Context(), now()); err != nil {
		t.Errorf("sweep: %v", err)
	}
}

// columns returns the columns of a table with their types, without those of its primary key.
func (b *badRow) columns(table string) []oddColumn {
	b.t.Helper()
	rows, err := b.pool.Query(b.t.Context(), `SELECT attname::text, format_type(atttypid, NULL)
		FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
			AND attnum <> ALL (SELECT unnest(conkey) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'p')
		ORDER BY attnum`, table)
	if err != nil {
		b.t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[oddColumn])
	if err != nil {
		b.t.Fatal(err)
	}
	return columns
}

type oddColumn struct{ Name, Type string }

// TestOneRowWhateverItHoldsStopsNobodyElses fills each column of each table that the hot path reads with values that
// its type allows, one at a time. A value that no constraint refuses must not prevent other customers' deliveries.
func TestOneRowWhateverItHoldsStopsNobodyElses(t *testing.T) {
	t.Parallel()
	b := &badRow{world: newWorld(t)}
	b.oddApp = b.addApplication(testOrg, "odd")
	b.addEndpoint(nil)
	b.odd = b.addEndpoint(func(e *core.Endpoint) { e.AppID = b.oddApp.ID })
	b.inserter = NewMessageInserter(b.Store, nil)
	for _, table := range []string{"application", "endpoint"} {
		b.exec("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table + " WHERE " + b.rows()[table])
	}
	b.exec("ALTER TABLE endpoint DROP CONSTRAINT endpoint_headers_check") // values that it refuses stop nobody either
	tried, refused := 0, 0
	for _, table := range []string{"application", "endpoint", "message", "delivery"} { //nolint:paralleltest // one at a time
		for _, column := range b.columns(table) {
			odd, known := oddValues[column.Type]
			if !known {
				t.Fatalf("%s.%s is of type %s, of which no odd values are known", table, column.Name, column.Type)
			}
			for _, value := range append(odd, oddPairs[table+"."+column.Name]...) {
				tried++
				t.Run(fmt.Sprintf("%s.%s = %.30s", table, column.Name, value), func(t *testing.T) {
					if !b.with(table, column.Name, value) {
						refused++
						return
					}
					b.othersGoOn(t)
				})
			}
		}
	}
	t.Logf("%d values, of which %d were refused", tried, refused)
	if tried-refused < 50 {
		t.Error("nearly all were refused, so that nothing was tested")
	}
}

// with recreates the odd customer's rows and sets one column of one of them. It returns false if a constraint refuses
// that.
func (b *badRow) with(table, column, value string) bool {
	b.t.Helper()
	b.exec("DELETE FROM delivery")
	b.exec("DELETE FROM message")
	b.exec("DELETE FROM endpoint WHERE " + b.rows()["endpoint"])
	b.exec("DELETE FROM application WHERE " + b.rows()["application"])
	b.exec("INSERT INTO application SELECT * FROM kept_application")
	b.exec("INSERT INTO endpoint SELECT * FROM kept_endpoint")
	m := b.event(func(m *core.NewMessage) { m.AppRef = string(b.oddApp.ID) })
	if stored := b.inserter.MessageInsertMany(b.t.Context(), []core.NewMessage{m}); stored[0].Err != nil {
		b.t.Fatal(stored[0].Err)
	}
	b.oddMessage = m.ID
	b.exec("UPDATE delivery SET state = 'waiting', due_at = now() - interval '1 s'")
	_, err := b.pool.Exec(b.t.Context(), fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", table, column, value, b.rows()[table]))
	return err == nil
}

func TestHeadersThatAreNoTextAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	for text, ok := range map[string]bool{
		`{}`: true, `{"a": "b", "c": ""}`: true, `[]`: false, `null`: false, `"x"`: false, `{"a": 1}`: false,
		`{"a": "b", "c": null}`: false, `{"a": ["b"]}`: false,
	} {
		_, err := w.pool.Exec(t.Context(), "UPDATE endpoint SET headers = $1::text::jsonb", text)
		if refused := err != nil && strings.Contains(err.Error(), "endpoint_headers_check"); refused == ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
