package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

const otherOrg core.OrgID = "org_other"

// script runs a script of deploy/move in the cell, as psql would.
func (w *world) script(name string, settings map[string]string) error {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "move", name))
	if err != nil {
		w.t.Fatal(err)
	}
	config := w.pool.Config().ConnConfig
	config.RuntimeParams = map[string]string{"search_path": config.RuntimeParams["search_path"], "postrider.organisation": string(testOrg)}
	maps.Copy(config.RuntimeParams, settings)
	conn, err := pgx.ConnectConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	defer closeConn(w.t.Context(), conn)
	_, err = conn.PgConn().Exec(w.t.Context(), string(text)).ReadAll()
	return err
}

func (w *world) mustScript(name string) {
	w.t.Helper()
	if err := w.script(name, nil); err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
}

// tables returns the tables of a cell, without partitions.
func (w *world) tables() []string {
	w.t.Helper()
	return value[[]string](w, `SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`)
}

// given says which columns a cell gives its rows itself.
var given = map[string][]string{
	"delivery":           {"due_at", "lease", "seq", "place", "state", "txid"},
	"operational_event":  {"id"},
	"outbox":             {"id", "txid"},
	"outbox_dead_letter": {"letter_id"},
	"token_revocation":   {"id"},
}

// notMoved are the tables whose rows are the cell's own, with the reasons.
var notMoved = map[string]string{
	"schema_migrations": "both cells have them",
	"delivery_position": "of the cell's own transactions",
	"state_reader":      "a process of the cell's own",
	"attempt_count":     "counted again when it is asked for",
}

// rowsOf returns the rows about applications of an organisation as JSON, by table, without the given columns.
func (w *world) rowsOf(org core.OrgID, apps []string, without map[string][]string) map[string][]string {
	w.t.Helper()
	rows := map[string][]string{}
	for _, table := range w.tables() {
		if notMoved[table] != "" {
			continue
		}
		rows[table] = value[[]string](w, fmt.Sprintf(`
			SELECT coalesce(array_agg(found.text ORDER BY found.text), '{}')
			FROM (
				SELECT (row.json - $3::text[])::text AS text
				FROM (SELECT to_jsonb(t) AS json FROM %s AS t) AS row
				WHERE row.json ->> 'org_id' = $1 OR row.json ->> 'app_id' = ANY ($2) OR row.json ->> 'id' = ANY ($2)
			) AS found`, table), org, apps, append([]string{}, without[table]...))
	}
	return rows
}

// moving is an organisation in one cell and a neighbour that stays there.
type moving struct {
	from                 *world
	app, other           core.Application
	apps                 []string // of the organisation
	plain, fifo, watcher core.Endpoint
	inOrder              []core.MessageID // owed to the FIFO endpoint
	leased               core.Delivery    // of them
	retried              core.MessageID   // in an hour, at the plain endpoint
	owedOfOther          int
	rowsOfOther          map[string][]string
	want                 map[string][]string // the rows that move
}

// newMoving fills a cell with everything that an organisation can have. The cell has numbered more than a new one.
func newMoving(t *testing.T, from *world) *moving {
	t.Helper()
	w, m := from, &moving{from: from}
	w.exec("SELECT setval('delivery_seq', 1000), setval('operational_event_id_seq', 1000)")
	m.other = w.addApplication(otherOrg, "acme")
	w.app = m.other
	w.addEndpoint(nil)
	m.app = w.addApplication(testOrg, "acme")
	w.app = m.app
	m.plain, m.watcher = w.addEndpoint(nil), w.addWatcher(testOrg)
	sent := w.send(2)
	for _, d := range w.claim(room()) {
		next := time.Time{}
		if d.MessageID == sent[1] {
			next, m.retried = now().Add(time.Hour), d.MessageID
		}
		w.record(result(d, next))
	}
	m.fifo = w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", m.plain.ID)
	m.inOrder = w.send(5)
	w.exec("UPDATE endpoint SET disabled = false WHERE id = $1", m.plain.ID)
	m.leased = w.claim(room())[0]
	w.tellOf("one subject", `{"n": 1}`, `{"n": 2}`, `{"n": 3}`)
	// The rows are in another order than the deliveries.
	w.exec("UPDATE delivery SET resume_at = NULL WHERE seq < (SELECT max(seq) FROM delivery) OR place < (SELECT max(place) FROM delivery)")
	m.fill(sent[0])
	m.apps = value[[]string](w, "SELECT array_agg(id) FROM application WHERE org_id = $1 OR uid = $1", testOrg)
	w.exec(`INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
		SELECT $1, id, event_type, payload, expires_at, created_at FROM message WHERE app_id = $2`, m.other.ID, m.app.ID)
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease)
		SELECT message.app_id, message.id, endpoint.id, now(), 0
		FROM message JOIN endpoint USING (app_id) WHERE message.app_id = $1`, m.other.ID)
	m.owedOfOther = value[int](w, "SELECT count(*) FROM delivery WHERE app_id = $1", m.other.ID)
	m.rowsOfOther = m.otherRows(from)
	return m
}

// otherRows returns the rows of the neighbour, except for the leases of its deliveries.
func (m *moving) otherRows(w *world) map[string][]string {
	return w.rowsOf(otherOrg, []string{string(m.other.ID)}, given)
}

// fill gives every column of every table a value in at least one row.
func (m *moving) fill(message core.MessageID) {
	w := m.from
	full, sleeping := w.addApplication(testOrg, "full"), m.plain.ID
	w.exec("UPDATE application SET throttle_rate = 5, throttled_until = now(), deleted_at = now() WHERE id = $1", full.ID)
	w.exec(`INSERT INTO endpoint (app_id, id, uid, url, description, version, throttle_rate, disabled, event_types, channels, secret, headers,
			metadata, failing_since, created_at, updated_at, deleted_at, old_secrets, old_secrets_expire_at, paused_at, paused_until,
			throttled_until, disabled_reason)
		SELECT $1, 'ep_full', 'uid', url, 'all', version, 7, true, '{a}', '{b}', secret, headers, metadata, now(), now(), now(), now(),
			ARRAY[secret], ARRAY[now()], now(), now(), now(), 'gone'
		FROM endpoint WHERE id = $2`, full.ID, sleeping)
	w.exec(`INSERT INTO event_type VALUES ($1, 'invoice.paid', 'd', false, false, '{}', '{flag}', now(), now(), 'group')`, testOrg)
	w.exec(`UPDATE message SET event_id = 'mine', channels = '{c}', tags = '{t}', content_type = 'a/b', deliver_at = now(), traceparent = 'x'
		WHERE id = $1`, message)
	w.exec("INSERT INTO message_event_id VALUES ($1, 'mine', $2)", m.app.ID, message)
	w.exec("INSERT INTO message_key VALUES ($1, sha256('k'), $2, now())", m.app.ID, message)
	w.exec("INSERT INTO idempotency_key VALUES ($1, sha256('k'), 200, '{}', now())", testOrg)
	w.exec(`INSERT INTO token_revocation (org_id, app_id, token_hash, session_id, issued_before, effective_at, forget_at)
		VALUES ($1, $2, 'revoked', NULL, 'infinity', now(), now() + interval '1 day'), ($1, $2, NULL, 's', now(), now(), NULL)`, testOrg, m.app.ID)
	for range 2 {
		m.waits("outbox", "")
		m.waits("outbox_dead_letter", ", id, reason, refused_at")
	}
	w.exec(`INSERT INTO background_task (org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, error,
			created_at, updated_at, next_at)
		VALUES ($1, 'qtask_running', 'endpoint.recover', $2, $3, '{}', 'running', 'c', 1, '{}', 1, 'e', now(), now(), now()),
			($1, 'qtask_ended', 'endpoint.recover', $2, $3, '{}', 'finished', 'c', 1, '{}', 1, 'e', now(), now(), now())`, testOrg, m.app.ID, m.plain.ID)
	w.exec("UPDATE delivery SET resume_at = now() + interval '1 day', manual = true WHERE message_id = $1", m.retried)
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.OperationalEventInsert(ctx, core.OperationalEvent{OrgID: testOrg, Type: "endpoint.updated", Payload: `{"n": 4}`, Subject: "one subject"})
	})
}

// waits inserts a row into the outbox or its dead letters.
func (m *moving) waits(table, more string) {
	values := ""
	if more != "" {
		values = ", 1, 'no', now()"
	}
	m.from.exec(fmt.Sprintf(`INSERT INTO %s (org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at%s)
		VALUES ($1, 'acme', 'invoice.paid', '{}', 'e', '{c}', '{t}', 'x', now()%s)`, table, more, values), testOrg)
}

// wantFull fails for each column that has no value in any row, and for each table that no script knows.
func (m *moving) wantFull() {
	for table, rows := range m.from.rowsOf(testOrg, m.apps, nil) {
		if len(rows) == 0 {
			m.from.t.Errorf("no row of %s moves", table)
		}
		columns := value[[]string](m.from, "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped", table)
		for _, c := range columns {
			if !slices.ContainsFunc(rows, func(row string) bool { return !strings.Contains(row, fmt.Sprintf("%q: null", c)) }) {
				m.from.t.Errorf("no row of %s has a value in %s", table, c)
			}
		}
	}
}

// collect stops the organisation, and collects its rows once the delivery in progress has ended.
func (m *moving) collect() {
	w := m.from
	original := w.rowsOf(testOrg, m.apps, given)
	w.mustScript("hold.sql")
	if got := w.claim(room()); len(got) != m.owedOfOther || slices.ContainsFunc(got, func(d core.Delivery) bool { return d.AppID != m.other.ID }) {
		w.t.Errorf("the old cell claims %d deliveries, want the %d of the other organisation", len(got), m.owedOfOther)
	}
	before := m.from.rowsOf(testOrg, m.apps, nil)
	if err := w.script("collect.sql", nil); err == nil || !strings.Contains(err.Error(), "1 deliveries are in progress") {
		w.t.Errorf("a delivery is in progress: %v", err)
	}
	wantRows(w.t, "after a failure", w.rowsOf(testOrg, m.apps, nil), before)
	if !w.record(result(m.leased, time.Time{})) {
		w.t.Error("a delivery in progress was taken away")
	}
	m.inOrder = m.inOrder[1:]
	m.want = w.rowsOf(testOrg, m.apps, given)
	m.want["application"], m.want["token_revocation"] = original["application"], original["token_revocation"]
	w.mustScript("collect.sql")
}

func wantRows(t *testing.T, when string, got, want map[string][]string) {
	t.Helper()
	for table := range want {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s, rows of %s:\n%s\nwant\n%s", when, table, strings.Join(got[table], "\n"), strings.Join(want[table], "\n"))
		}
	}
}

// wantArrived checks that everything is in the new cell, and that it delivers what is owed, in order.
func (m *moving) wantArrived(to *world) {
	t := to.t
	t.Helper()
	wantRows(t, "in the new cell", to.rowsOf(testOrg, m.apps, given), m.want)
	to.app = m.app
	after := to.store(1)[0] // to all endpoints
	m.inOrder = append(m.inOrder, after)
	for n, id := range m.inOrder {
		var got []core.MessageID
		for _, d := range to.claim(room()) {
			if d.EndpointID == m.fifo.ID {
				got = append(got, d.MessageID)
			}
			if d.EndpointID != m.watcher.ID {
				to.record(result(d, time.Time{}))
			}
		}
		if !slices.Equal(got, []core.MessageID{id}) {
			t.Errorf("claim %d for the FIFO endpoint: %v, want %s", n, got, id)
		}
	}
	left := to.owed()
	if left[m.plain.ID] != 1 || left[m.fifo.ID] != 0 || left[m.watcher.ID] != 3 {
		t.Errorf("owed are %v, want a retry to %s and three operational webhooks to %s", left, m.plain.ID, m.watcher.ID)
	}
	if due := value[time.Time](to, "SELECT due_at FROM delivery WHERE message_id = $1 AND app_id = $2", m.retried, m.app.ID); due.Before(now().Add(30 * time.Minute)) {
		t.Errorf("the retry is due at %s", due)
	}
	to.stepEvents(to.tasks())
	order := value[[]string](to, "SELECT array_agg(payload ORDER BY place) FROM delivery JOIN message ON id = message_id WHERE endpoint_id = $1", m.watcher.ID)
	if !slices.Equal(order, []string{`{"n": 1}`, `{"n": 2}`, `{"n": 3}`, `{"n": 4}`}) {
		t.Errorf("operational webhooks are in the order %v", order)
	}
}

// wantTokens checks whether tokens of the organisation are refused, and that one that was revoked before is.
func (m *moving) wantTokens(w *world, refused bool) {
	w.t.Helper()
	w.app = m.app
	w.revokes(now(), w.token("of the application", "", now().Add(time.Hour)), refused)
	// A token of its own each time: one that was valid is trusted for a while.
	w.revokes(now(), core.Token{Scope: orgScope, Hash: []byte("of the organisation, " + rand.Text()), IssuedAt: now().Add(time.Hour)}, refused)
	w.revokes(now(), w.token("revoked", "", now()), true)
	w.revokes(now(), core.Token{Scope: core.Scope{OrgID: otherOrg}, Hash: []byte("of another"), IssuedAt: now()}, false)
}

// TestMoveIsTakenBack undoes a move after its first step, and then after its second.
func TestMoveIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newCell(t, Database{URL: empty.New(t), Schema: "cell_a"})
	m := newMoving(t, w)
	before := w.rowsOf(testOrg, m.apps, given)
	w.mustScript("hold.sql")
	w.mustScript("undo.sql")
	wantRows(t, "held and undone", w.rowsOf(testOrg, m.apps, given), before)
	m.collect()
	w.mustScript("undo.sql")
	wantRows(t, "collected and undone", w.rowsOf(testOrg, m.apps, given), m.want)
	m.wantTokens(w, false)
	m.wantArrived(w)
}

// TestMoveNoticesLateMessages: nothing that is stored after the collection is deleted.
func TestMoveNoticesLateMessages(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	from, to := newCell(t, Database{URL: database, Schema: "cell_a"}), newCell(t, Database{URL: database, Schema: "cell_b"})
	m := newMoving(t, from)
	m.collect()
	to.mustScript("insert.sql")
	late := from.store(1)[0] // by a consumer, which has no token
	if err := from.script("delete.sql", nil); err == nil || !strings.Contains(err.Error(), "1 messages and 2 deliveries") {
		t.Errorf("a message was stored late: %v", err)
	}
	if got := from.claim(room()); len(got) != 0 {
		t.Errorf("the old cell sends %d deliveries", len(got))
	}
	from.exec("DELETE FROM delivery WHERE message_id = $1", late)
	from.exec("DELETE FROM message WHERE id = $1", late)
	from.mustScript("delete.sql")
}

func TestOrganisationMovesToAnotherDatabase(t *testing.T) {
	t.Parallel()
	from, to := newCell(t, Database{URL: empty.New(t), Schema: "cell_a"}), newCell(t, Database{URL: empty.New(t), Schema: "cell_b"})
	m := newMoving(t, from)
	m.collect()
	from.dumpInto(t, to.pool.Config().ConnString(), "--schema=postrider_moving")
	dump, err := pgDump(t.Context(), to.pool.Config().ConnString())
	if err != nil {
		t.Skip(err)
	}
	u, err := url.Parse(to.pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("options") // which name another search_path
	u.RawQuery = query.Encode()
	psql := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(dump), "psql"), "-v", "ON_ERROR_STOP=1", "-f", "../deploy/move/insert.sql", u.String())
	psql.Env = append(os.Environ(), "PGOPTIONS=-c search_path=cell_b")
	if output, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	m.wantArrived(to)
	if err := from.script("delete.sql", nil); err == nil || !strings.Contains(err.Error(), "in no other cell") {
		t.Errorf("deleted before anybody said that it arrived: %v", err)
	}
	if err := from.script("delete.sql", map[string]string{"postrider.moved": "on"}); err != nil {
		t.Error(err)
	}
}

func TestOrganisationMovesToAnotherCell(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	from, to := newCell(t, Database{URL: database, Schema: "cell_a"}), newCell(t, Database{URL: database, Schema: "cell_b"})
	m := newMoving(t, from)
	m.wantFull()
	m.wantTokens(from, false)
	m.collect()
	m.wantTokens(from, true)
	to.mustScript("insert.sql")
	m.wantTokens(to, false)
	m.wantArrived(to)
	if err := to.script("insert.sql", nil); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("moved twice: %v", err)
	}
	if err := from.script("undo.sql", nil); err == nil || !strings.Contains(err.Error(), "is in the cell cell_b already") {
		t.Errorf("undone after it arrived: %v", err)
	}
	from.mustScript("delete.sql")
	m.wantTokens(from, true)
	left := from.rowsOf(testOrg, m.apps, nil)
	delete(left, "token_revocation")
	for table, rows := range left {
		if len(rows) > 0 {
			t.Errorf("left in %s: %v", table, rows)
		}
	}
	wantRows(t, "of another organisation", m.otherRows(from), m.rowsOfOther)
}
