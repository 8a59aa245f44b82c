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

func TestOutboxLagViewShowsWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const sql = "SELECT name, messages, oldest_at IS NULL, date_trunc('minute', age) FROM outbox_lag ORDER BY name"
	w.wantShown(sql, "(operational_event,0,t,)", "(outbox,0,t,)")
	for _, minutes := range []int{3, 9} { // stored first, though its transaction began later
		w.exec("INSERT INTO outbox (application, event_type, payload, created_at) VALUES ('a', 'a', '{}', now() - $1 * interval '1 min')", minutes)
	}
	w.exec("INSERT INTO operational_event (org_id, type, payload, created_at) VALUES ('org_a', 'a', '{}', now() - interval '2 h')")
	w.wantShown(sql, "(operational_event,1,f,02:00:00)", "(outbox,2,f,00:03:00)")
}

func TestDeadLetterViewGroupsByReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, reason := range []string{"no such application", "too large", "no such application"} {
		w.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
			VALUES (7, 'org_a', 'acme', 'a', '{}', now(), $1, '2026-01-01Z'::timestamptz + $2 * interval '1 h')`, reason, i)
	}
	w.wantShown("SELECT * FROM dead_letter ORDER BY reason",
		`(org_a,acme,a,"no such application",2,1,3,"2026-01-01 00:00:00+00","2026-01-01 02:00:00+00")`,
		`(org_a,acme,a,"too large",1,2,2,"2026-01-01 01:00:00+00","2026-01-01 01:00:00+00")`)
}

func TestPartitionViewTranslatesBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(3)
	w.exec("ANALYZE message")
	want := []string{"attempt attempt_default   ", "message message_default   "}
	for _, p := range core.PartitionsAround(now()) {
		from, err := time.Parse("20060102", p.Suffix)
		if err != nil {
			t.Fatal(err)
		}
		const minute = "2006-01-02 15:04"
		want = append(want, fmt.Sprintf("%s %s_%s %s %s %s", p.Table, p.Table, p.Suffix, p.From, from.Format(minute), from.AddDate(0, 0, 7).Format(minute)))
	}
	slices.Sort(want)
	got := w.shown(`SELECT concat_ws(' ', parent, name, coalesce(from_id, ''), coalesce(to_char(from_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), ''),
		coalesce(to_char(to_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), '')) AS line FROM partition`)
	for i := range got {
		got[i] = strings.Trim(got[i], `()"`)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("shown are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	current := core.MessagePartition(now())
	w.wantShown("SELECT rows, bytes > index_bytes, index_bytes > 0, to_id FROM partition WHERE name = 'message_"+current.Suffix+"'",
		fmt.Sprintf("(3,t,t,%s)", current.To))
}

func TestRunningTaskViewShowsWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, status := range []string{"running", "running", "finished"} {
		w.exec(`INSERT INTO background_task (org_id, id, task, app_id, parameters, status, cursor, processed, data, failures, created_at, updated_at, next_at)
			VALUES ('org_a', 'qtask_' || $1::int, 'endpoint.replay', 'app_' || $1::int, '{}', $2, 'msg_1', 5, '{}', 0,
				now() - interval '3 h', now() - interval '2 h', now() + ($1::int - 1) * interval '1 h' + interval '1 min')`, i, status)
	}
	w.wantShown(`SELECT org_id, id, task, app_id, endpoint_id, processed, cursor, failures, error,
			date_trunc('minute', age), date_trunc('minute', overdue) FROM running_task ORDER BY id`,
		"(org_a,qtask_0,endpoint.replay,app_0,,5,msg_1,0,,03:00:00,00:59:00)",
		"(org_a,qtask_1,endpoint.replay,app_1,,5,msg_1,0,,03:00:00,)")
}

func TestConnectionViewCountsByComponent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "postrider test"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	begun, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), begun)
	w.wantShown(`SELECT component, role, connections, active, idle, idle_in_transaction, waiting_for_lock, longest_transaction IS NULL, longest_statement
		FROM connection WHERE component = 'postrider test'`, fmt.Sprintf(`("postrider test",%s,1,0,0,1,0,f,)`, config.User))
	if got := value[int](w, "SELECT sum(active) FROM connection"); got != 1 { // the one that asks
		t.Errorf("%d connections are active, want 1", got)
	}
}

// TestViewsShowNoSecrets looks for what must not be shown in the rows of all views, and for views that read such a
// column, whatever they do with it.
func TestViewsShowNoSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	views := value[[]string](w, "SELECT array_agg(viewname::text) FROM pg_views WHERE schemaname = current_schema()")
	if len(views) < 8 {
		t.Fatalf("there are only the views %v", views)
	}
	n := 0
	for _, e := range w.writeCredentials(func() {}) {
		w.oweRows(e.ID, owedRow{"waiting", 1, 0})
		n++
	}
	w.exec("UPDATE endpoint SET failing_since = now(), deleted_at = NULL")
	w.exec("UPDATE endpoint SET url = $1", markedURL("host.test"))
	for _, view := range []string{"queue", "failing_endpoint"} {
		if got := value[int](w, "SELECT count(DISTINCT endpoint_id) FROM "+view); got != n {
			t.Errorf("%s shows %d endpoints, want %d", view, got, n)
		}
	}
	for _, view := range views {
		for _, row := range w.shown("SELECT * FROM " + view) {
			if strings.Contains(row, marker) {
				t.Errorf("%s shows a secret: %s", view, row)
			}
		}
	}
	for _, read := range w.shown(`
		SELECT ev_class::regclass AS view, attname AS column
		FROM pg_depend
		JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
		JOIN pg_attribute ON refclassid = 'pg_class'::regclass AND refobjid = attrelid AND refobjsubid = attnum
		WHERE attname IN ('secret', 'old_secrets', 'headers')`) {
		t.Errorf("a view reads a secret: %s", read)
	}
}
