package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// shown returns the rows of a query, each as Postgres writes a row: "(a,1,)".
func (w *world) shown(sql string) []string {
	w.t.Helper()
	var list []string
	err := transact(w.t.Context(), w.pool, func(t pgx.Tx) error {
		if _, err := t.Exec(w.t.Context(), "SET LOCAL timezone = 'UTC'"); err != nil {
			return err
		}
		rows, err := t.Query(w.t.Context(), "SELECT shown::text FROM ("+sql+") AS shown")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// wantShown compares the rows of a query with what they should be.
func (w *world) wantShown(sql string, want ...string) {
	w.t.Helper()
	if got := w.shown(sql); !slices.Equal(got, want) {
		w.t.Errorf("%s:\n%s\nwant\n%s", sql, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// owedRow is a row of delivery.
type owedRow struct {
	state string
	queue int
	due   time.Duration // from now
}

// oweRows inserts deliveries to an endpoint.
func (w *world) oweRows(e core.EndpointID, rows ...owedRow) {
	w.t.Helper()
	for _, r := range rows {
		w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq, state)
			VALUES ($1, $2, $3, now() + $4::interval, 1, $5::int, CASE $5::int WHEN 2 THEN 1 END, $6)`,
			w.app.ID, core.NewMessageID(now()), e, fmt.Sprintf("%d s", int(r.due.Seconds())), r.queue, r.state)
	}
}

// oweSome makes two endpoints that are owed deliveries of every kind, the second of which also all that is oldest in
// queue 1, and returns their ids as they sort.
func (w *world) oweSome() (first, second core.EndpointID) {
	first, second = w.addEndpoint(nil).ID, w.addEndpoint(nil).ID
	w.exec("UPDATE endpoint SET paused_until = '2100-01-01Z', paused_at = '2020-01-01Z' WHERE id = $1", second)
	w.oweRows(first,
		owedRow{"fresh", 0, -10 * time.Second},
		owedRow{"leased", 0, time.Minute}, owedRow{"leased", 0, 2 * time.Minute},
		owedRow{"waiting", 0, -time.Hour}, owedRow{"waiting", 1, -time.Minute}, owedRow{"waiting", 1, time.Minute})
	w.oweRows(second,
		owedRow{"waiting", 1, -2 * time.Hour}, owedRow{"waiting", 1, -time.Hour}, owedRow{"waiting", 2, time.Hour}, owedRow{"waiting", 3, time.Hour})
	w.oweRows("ep_leased", owedRow{"leased", 0, 3 * time.Minute})
	return first, second
}

func TestQueueViewCountsWhatIsOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.oweSome()
	w.wantShown(`SELECT endpoint_id, deliveries, fresh, waiting, leased, first_attempts, retries, in_order, behind, past_due,
			date_trunc('minute', overdue), disabled, paused_until
		FROM queue WHERE app_id = '`+string(w.app.ID)+`' ORDER BY endpoint_id`,
		fmt.Sprintf("(%s,6,1,3,2,4,2,0,0,3,01:00:00,f,)", first),
		fmt.Sprintf(`(%s,4,0,4,0,0,2,1,1,2,02:00:00,f,"2100-01-01 00:00:00+00")`, second),
		"(ep_leased,1,0,0,1,1,0,0,0,0,,,)")
	w.wantShown("SELECT count(*) FROM queue WHERE due_at IS NULL", "(1)")
}

func TestOldestDueViewFindsTheFirstOfEachQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.oweSome()
	w.wantShown("SELECT state, queue, endpoint_id, date_trunc('minute', overdue) FROM oldest_due ORDER BY state, queue",
		fmt.Sprintf("(fresh,0,%s,00:00:00)", first),
		fmt.Sprintf("(leased,0,%s,)", first),
		fmt.Sprintf("(waiting,0,%s,01:00:00)", first),
		fmt.Sprintf("(waiting,1,%s,02:00:00)", second),
		fmt.Sprintf("(waiting,2,%s,)", second),
		fmt.Sprintf("(waiting,3,%s,)", second))
}

// TestViewsReadLittleOfLongTables checks what the comments on the views promise: they are asked while there is a backlog.
func TestViewsReadLittleOfLongTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, state)
		SELECT 'app_' || n % 2000, 'msg_' || n, 'ep_' || n % 10, now() + n * interval '1 ms', 0, n / 10 % 2, (ARRAY['fresh', 'waiting', 'leased'])[n % 3 + 1]
		FROM generate_series(1, 30000) AS n`)
	w.exec("INSERT INTO outbox (application, event_type, payload) SELECT 'a', 'a', '{}' FROM generate_series(1, 10000)")
	w.exec("ANALYZE delivery, outbox")
	w.wantToRead(t, "SELECT FROM queue WHERE app_id = 'app_7'", 15, 40)
	w.wantToRead(t, "SELECT name, age FROM outbox_lag", 1, 5)
	for _, statistics := range forcedStatistics {
		(&seeded{Store: w.Store}).force(t, statistics)
		// One for each of 10 endpoints and 2 queues, and one of each other state.
		w.wantToRead(t, "SELECT FROM oldest_due", 22, 60)
	}
}

// wantToRead checks how many rows of tables a query reads.
func (w *world) wantToRead(t *testing.T, sql string, least, most float64) {
	t.Helper()
	conn := &explained{DBTX: w.pool}
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(conn.plans[0]), &plans); err != nil {
		t.Fatal(err)
	}
	how := map[string]string{}
	if rows := plans[0].Plan.read(how); rows < least || rows > most {
		t.Errorf("%s reads %.0f rows, want %.0f to %.0f: %v", sql, rows, least, most, how)
	}
}

func TestFailingEndpointViewShowsWhyAndWhatIsNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.URL = "http://us%40er:pass@word@example.test/@/?a=@" })
	w.addEndpoint(nil) // does not fail
	gone := w.addEndpoint(nil)
	w.exec("UPDATE endpoint SET disabled = true, disabled_reason = 'gone', failing_since = '2026-01-02Z', failures = 1 WHERE id = $1", gone.ID)
	w.exec("UPDATE endpoint SET failing_since = '2026-01-01Z', failures = 3 WHERE id = $1", e.ID)
	deleted := w.addEndpoint(nil)
	w.exec("UPDATE endpoint SET failing_since = '2026-01-01Z', deleted_at = now() WHERE id = $1", deleted.ID)
	w.oweRows(e.ID, owedRow{"waiting", 1, time.Hour}, owedRow{"waiting", 0, 2 * time.Hour}, owedRow{"leased", 0, time.Minute})
	for i, status := range []core.AttemptStatus{core.StatusFail, core.StatusFail, core.StatusSuccess} {
		w.exec(`INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
			VALUES ($1, $2, 'msg_1', $3, '', $4, $5, repeat('no', 1000), 1, 0, now())`,
			w.app.ID, core.NewAttemptID(now().Add(time.Duration(i)*time.Second)), e.ID, status, 500+i)
	}
	w.wantShown(`SELECT endpoint_id, url, failing_since, failures, disabled, disabled_reason, paused_until,
			date_trunc('minute', due_at - now() + interval '30 s'), response_status_code, length(response), failed_at IS NULL
		FROM failing_endpoint ORDER BY failing_since`,
		fmt.Sprintf(`(%s,http://***@example.test/@/?a=@,"2026-01-01 00:00:00+00",3,f,,,01:00:00,501,200,f)`, e.ID),
		fmt.Sprintf(`(%s,http://example.test/,"2026-01-02 00:00:00+00",1,t,gone,,,,,t)`, gone.ID))
}

// TestFailingEndpointViewMasksURLs compares the view with core, for URLs of any release.
func TestFailingEndpointViewMasksURLs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.exec("UPDATE endpoint SET failing_since = now()")
	for _, url := range []string{
		"http://host/", "https://user@host", "https://u:p@host:80/path", "https://u:p@q@host?x=@y", "https://host/@", "https:\\\\u:p@host\\@x",
		"http:/\t/u:p@host", "http:u:p@host", "http://[::1]:80/a@b", "https://host#@", "nothing", "a@b", "https://u:p\n@host/",
	} {
		w.exec("UPDATE endpoint SET url = $2 WHERE id = $1", e.ID, url)
		if got, want := value[string](w, "SELECT url FROM failing_endpoint"), core.MaskURL(url); got != want {
			t.Errorf("%q is shown as %q, want %q", url, got, want)
		}
	}
}
