package store

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// message_send accepts its payload as text, json or jsonb. A payload without a type of its own, such as a literal or
// a driver's parameter, is still text, so that no call is ambiguous.
func TestMessageSendTakesEveryKindOfJSON(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call string
		args []any
		want string
	}{
		"literal":                 {`SELECT message_send('acme', 'a', '{"b":1,"a":  2}')`, nil, `{"b":1,"a":  2}`},
		"literal and names":       {`SELECT message_send(payload => '{}', event_type => 'a', application => 'acme', org_id => 'org_x')`, nil, `{}`},
		"literal and a few names": {`SELECT message_send('acme', 'a', '{}', channels => ARRAY['x'], tags => '{y}')`, nil, `{}`},
		"all by place":            {`SELECT message_send('acme', 'a', '{}', 'e-1', '{c}', '{t}', NULL, 'org_x')`, nil, `{}`},
		"text":                    {`SELECT message_send('acme', 'a', '{' || '}')`, nil, `{}`},
		"varchar":                 {`SELECT message_send('acme'::varchar, 'a'::varchar(9), format('{"a":%s}', 1)::varchar)`, nil, `{"a":1}`},
		"char":                    {`SELECT message_send('acme', 'a', '{}'::char(2))`, nil, `{}`},
		"name":                    {`SELECT message_send(current_schema(), 'a'::name, '{}'::name)`, nil, `{}`},
		"subquery without a type": {`SELECT message_send('acme', 'a', (SELECT '{}'))`, nil, `{}`},
		"CASE":                    {`SELECT message_send('acme', 'a', CASE WHEN true THEN '{}' END)`, nil, `{}`},
		"json_build_object":       {`SELECT message_send('acme', 'a', json_build_object('b', 1, 'a', 2))`, nil, `{"b" : 1, "a" : 2}`},
		"jsonb_build_object":      {`SELECT message_send('acme', 'a', jsonb_build_object('b', 1, 'a', 2), event_id => 'e')`, nil, `{"a": 2, "b": 1}`},
		"row_to_json":             {`SELECT message_send('acme', 'a', row_to_json(r)) FROM (SELECT 42 AS invoice) AS r`, nil, `{"invoice":42}`},
		"to_jsonb":                {`SELECT message_send('acme', 'a', to_jsonb(r), org_id => 'org_x') FROM (SELECT 42 AS invoice) AS r`, nil, `{"invoice": 42}`},
		"json keeps its text":     {`SELECT message_send('acme', 'a', '{"a":1, "a":2}'::json)`, nil, `{"a":1, "a":2}`},
		"jsonb and text":          {`SELECT message_send('acme', 'a', jsonb_build_object('n', 1)::text)`, nil, `{"n": 1}`},
		"parameter":               {`SELECT message_send($1, $2, $3)`, []any{"acme", "a", `{"a":1}`}, `{"a":1}`},
		"parameter of a driver":   {`SELECT message_send($1, $2, $3, event_id => $4)`, []any{pgtype.Text{String: "acme", Valid: true}, "a", []byte(`{"a":1}`), "e"}, `{"a":1}`},
		"parameter cast to jsonb": {`SELECT message_send($1, $2, $3::jsonb)`, []any{"acme", "a", map[string]any{"a": 1}}, `{"a": 1}`},
		"parameter cast to json":  {`SELECT message_send($1, $2, $3::json)`, []any{"acme", "a", map[string]any{"a": 1}}, `{"a":1}`},
		"parameter cast to vchar": {`SELECT message_send($1::varchar, $2::varchar, $3::varchar)`, []any{"acme", "a", `{"a":1}`}, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{Store: openStore(t, pg.Shared(t), nil), t: t}
			tx := w.leaver()
			tx.do(test.call, test.args...)
			var got string
			if err := tx.QueryRow(t.Context(), "SELECT payload FROM outbox").Scan(&got); err != nil || got != test.want {
				t.Errorf("the payload is %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// All forms pass on all of their arguments, return the id of the row, and need only the right to insert.
func TestMessageSendPassesEverythingOn(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"text", "json", "jsonb"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			tx := newWorld(t).leaver() // GRANT waits for other sessions on the same table
			tx.do("CREATE ROLE sender_of_" + kind)
			tx.do("GRANT USAGE ON SCHEMA postrider TO sender_of_" + kind)
			tx.do("GRANT INSERT ON outbox TO sender_of_" + kind)
			tx.do("SET LOCAL ROLE sender_of_" + kind)
			var ids [2]int64
			for i := range ids {
				const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
				send := "SELECT message_send('acme', 'a', '{}'::" + kind + ", 'e-" + strconv.Itoa(i) + "', '{c,d}', '{t}', $1, 'org_x')"
				if err := tx.QueryRow(t.Context(), send, parent).Scan(&ids[i]); err != nil {
					t.Fatal(err)
				}
			}
			tx.do("RESET ROLE")
			var got string
			const row = "SELECT concat_ws(' ', org_id, application, event_type, payload, event_id, channels, tags, traceparent) FROM outbox WHERE id = $1"
			for i, id := range ids {
				want := "org_x acme a {} e-" + strconv.Itoa(i) + " {c,d} {t} 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
				if err := tx.QueryRow(t.Context(), row, id).Scan(&got); err != nil || got != want {
					t.Errorf("left is %q, %v, want %q", got, err, want)
				}
			}
		})
	}
}
