package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// leave inserts a message into the outbox.
func (w *world) leave(application, payload string) {
	w.t.Helper()
	w.exec("INSERT INTO outbox (org_id, application, event_type, payload) VALUES ($1, $2, 'invoice.paid', $3)", testOrg, application, payload)
}

// inOutbox returns the content of the outbox as a consumer finds it.
func (w *world) inOutbox() []core.IngestIn {
	w.t.Helper()
	found, _, err := w.OutboxList(w.t.Context(), core.OutboxPlace{}, 1000, 1<<30)
	if err != nil {
		w.t.Fatal(err)
	}
	return foundIn(found)
}

// outboxKeys returns the keys of the messages with the given ids.
func (w *world) outboxKeys(ids ...int64) (keys []core.OutboxKey) {
	w.t.Helper()
	for _, id := range ids {
		keys = append(keys, core.OutboxKey{ID: id, TxID: value[uint64](w, "SELECT txid FROM outbox WHERE id = $1", id)})
	}
	return keys
}

// foundIn converts messages of the outbox to the form in which a consumer stores them.
func foundIn(found []core.OutboxMessage) (ins []core.IngestIn) {
	for _, m := range found {
		in := core.IngestIn{
			OrgID: m.OrgID, AppRef: m.Application, Source: "outbox", Position: m.Position(),
			MessageIn: core.MessageIn{
				EventType: m.EventType, EventID: m.EventID, Channels: m.Channels, Tags: m.Tags,
				TraceParent: m.TraceParent, Payload: bytes.TrimSpace([]byte(m.Payload)),
			},
		}
		if m.Err != nil {
			in.Err = &core.Error{Kind: core.KindBadRequest, Message: m.Err.Error()}
		}
		ins = append(ins, in)
	}
	return ins
}

func (w *world) payloadsStored() []string {
	w.t.Helper()
	return value[[]string](w, "SELECT coalesce(array_agg(payload ORDER BY id), '{}') FROM message")
}

// The column's check reads payloads as json, which must not be stricter than the API.
func TestOutboxDoesNotLookIntoPayloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const payload = `{ "a":1,"a":"\ud800\u0000","A": 1e400}`
	w.leave("acme", payload)
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if got := w.payloadsStored(); !slices.Equal(got, []string{payload}) {
		t.Errorf("stored %q", got)
	}
}

func TestOutboxIsEmptiedInOrderAndInOneTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprintf(`{"n": %d}`, n))
		w.leave("acme", want[n])
	}
	w.leave("nobody", `{"lost": true}`)
	outcomes := w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	for i, o := range outcomes {
		if (o.Err != nil) != (i == 20) || o.Known {
			t.Errorf("message %d: %+v", i, o)
		}
	}
	if got := w.payloadsStored(); !slices.Equal(got, want) {
		t.Errorf("stored %v", got)
	}
	if left := w.inOutbox(); len(left) > 0 {
		t.Errorf("%d messages are left in the outbox", len(left))
	}
	letter := value[string](w, "SELECT application || ' ' || payload || ' ' || reason FROM outbox_dead_letter")
	if letter != `nobody {"lost": true} Application not found` {
		t.Errorf("put aside is %s", letter)
	}
	if owed := w.owed(); len(owed) != 1 {
		t.Errorf("owed is %v", owed)
	}
}

// TestDocsSendDeadLettersAgain runs the commands that docs/consume.md gives to a DBA.
func TestDocsSendDeadLettersAgain(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/consume.md")
	if err != nil {
		t.Fatal(err)
	}
	again := regexp.MustCompile("(?s)```sql\n(WITH .*?)```").FindStringSubmatch(string(text))
	if again == nil {
		t.Fatal("docs/consume.md has no statement that begins with WITH")
	}
	w := newWorld(t)
	w.leave("later", `{"n": 1}`)
	w.leave("later", `{"n": 2}`)
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	w.addApplication(testOrg, "later")
	w.exec(again[1])
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"n": 1}`, `{"n": 2}`}) {
		t.Errorf("stored %v", got)
	}
	if n := value[int](w, "SELECT count(*) FROM outbox_dead_letter"); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

// A unit of work that fails takes nothing out and stores nothing.
func TestOutboxKeepsWhatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("acme", `{}`)
	w.leave("nobody", `{}`)
	w.exec("ALTER TABLE outbox_dead_letter RENAME TO elsewhere")
	outcomes := w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if !outcomes[0].Again() || !outcomes[1].Again() || len(w.payloadsStored()) > 0 || len(w.inOutbox()) != 2 {
		t.Errorf("%+v; stored %v", outcomes, w.payloadsStored())
	}
	w.exec("ALTER TABLE elsewhere RENAME TO outbox_dead_letter")
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if len(w.payloadsStored()) != 1 || len(w.inOutbox()) != 0 {
		t.Errorf("stored %v, and %d are left", w.payloadsStored(), len(w.inOutbox()))
	}
}

// Two processes find the same messages. One stores them; the other one waits for it and stores none.
func TestTwoConsumersOfTheOutboxStoreEachMessageOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 3 {
		w.leave("acme", fmt.Sprintf(`{"n": %d}`, n))
	}
	ins := w.inOutbox()
	second := make(chan []core.Ingested, 1)
	w.in(func(ctx context.Context, tx core.Tx) error {
		ids, err := tx.OutboxLockMany(ctx, w.outboxKeys(1, 2))
		if err != nil || len(ids) != 2 {
			t.Errorf("locked %v, %v", ids, err)
		}
		go func() { second <- w.ingest().OutboxIngestMany(context.WithoutCancel(ctx), ins) }()
		w.awaitLock()
		return tx.OutboxDeleteMany(ctx, ids)
	})
	outcomes := <-second
	if !outcomes[0].Known || !outcomes[1].Known || outcomes[2].Known || outcomes[2].Err != nil {
		t.Errorf("the second got %+v, want the third message alone", outcomes)
	}
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"n": 2}`}) {
		t.Errorf("stored %v", got)
	}
}

func TestOutboxWhoseIdsBeginAgainKeepsItsNewMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("acme", `{"old": 1}`)
	w.leave("nobody", `{"old": 2}`)
	old := w.inOutbox()
	w.exec("TRUNCATE outbox RESTART IDENTITY")
	w.leave("acme", `{"new": 1}`)
	w.leave("acme", `{"new": 2}`)
	for i, o := range w.ingest().OutboxIngestMany(t.Context(), old) {
		if !o.Known {
			t.Errorf("message %d that is gone: %+v, want it to be known", i, o)
		}
	}
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"new": 1}`, `{"new": 2}`}) {
		t.Errorf("stored %v, want the new messages", got)
	}
}

// A session that locks a row and then idles must not stop the outbox silently.
func TestOutboxWaitsForLocksNotForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("acme", `{}`)
	w.in(func(ctx context.Context, unit core.Tx) error {
		_, err := unit.OutboxLockMany(ctx, w.outboxKeys(1))
		var timeout string
		if err := unit.(tx).conn.QueryRow(ctx, "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != outboxLockTimeout {
			t.Errorf("locks are waited for for %s, %v; want %s", timeout, err, outboxLockTimeout)
		}
		return err
	})
	if timeout := value[string](w, "SHOW lock_timeout"); timeout == outboxLockTimeout {
		t.Error("the connection goes on with the timeout of the outbox")
	}
}

func TestEventIDsInTheOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{`{"n": 1}`, `{"n": 1}`, `{"n": 2}`} {
		w.exec("SELECT message_send('acme', 'a', $1, event_id => 'e-1', org_id => $2)", payload, testOrg)
	}
	outcomes := w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if outcomes[0].Known || !outcomes[1].Known || !core.IsKind(outcomes[2].Err, core.KindConflict) {
		t.Errorf("%+v, want one stored, one known, and one refused", outcomes)
	}
	if n := value[int](w, "SELECT count(*) FROM outbox_dead_letter"); n != 1 || len(w.payloadsStored()) != 1 || len(w.inOutbox()) != 0 {
		t.Errorf("%d put aside, stored %v", n, w.payloadsStored())
	}
}

func TestOutboxListIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 4 {
		w.leave("acme", `{"text": "`+strings.Repeat("x", 1000)+`"}`)
	}
	for _, test := range []struct {
		limit int
		bytes int64
		want  int
	}{{10, 1 << 20, 4}, {3, 1 << 20, 3}, {10, 2500, 2}, {10, 0, 1}} {
		found, _, err := w.OutboxList(t.Context(), core.OutboxPlace{}, test.limit, test.bytes)
		if err != nil || len(found) != test.want || found[0].ID != 1 {
			t.Errorf("%d messages of %d bytes: got %d, %v", test.limit, test.bytes, len(found), err)
		}
	}
}

func TestOutboxCountIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.leave("acme", "{}")
	}
	for most, want := range map[int]int64{0: 0, 1: 1, 2: 2, 100: 3} {
		if got, err := w.OutboxCount(t.Context(), most); err != nil || got != want {
			t.Errorf("of 3 messages, up to %d: %d, %v; want %d", most, got, err, want)
		}
	}
}

// An error that a row shows by itself is reported to its own transaction.
func TestOutboxRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, test := range []struct{ column, value, want string }{
		{"org_id", "acme", "outbox_org_id_check"},
		{"org_id", string(core.OperationalOrg), "outbox_org_id_check"},
		{"application", "", "outbox_application_check"},
		{"application", "a b", "outbox_application_check"},
		{"application", strings.Repeat("a", 257), "outbox_application_check"},
		{"event_type", "a/b", "outbox_event_type_check"},
		{"event_id", "msg_1", "outbox_event_id_check"},
		{"event_id", "ü", "outbox_event_id_check"},
		{"application", "..", "outbox_application_dots_check"},
		{"event_type", ".", "outbox_event_type_dots_check"},
		{"event_id", "..", "outbox_event_id_dots_check"},
		{"payload", "[]", "outbox_payload_check"},
		{"payload", "{", "22P02"}, // not JSON at all
		{"payload", `{"text": "` + strings.Repeat("x", core.IngestBytesMost) + `"}`, "outbox_payload_check"},
	} {
		row := map[string]string{"org_id": "org_a", "application": "acme", "event_type": "a.b", "event_id": "e-1", "payload": "{}"}
		row[test.column] = test.value
		_, err := w.pool.Exec(t.Context(), "INSERT INTO outbox (org_id, application, event_type, event_id, payload) VALUES ($1, $2, $3, $4, $5)",
			row["org_id"], row["application"], row["event_type"], row["event_id"], row["payload"])
		e, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || e.ConstraintName != test.want && e.Code != test.want {
			t.Errorf("%s %.40q: %v, want %s", test.column, test.value, err, test.want)
		}
	}
}

// A producer that sends by SQL needs one privilege, which lets it read nothing.
func TestOutboxTakesTheRightToInsertAndNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := fmt.Sprintf("shop_%d", time.Now().UnixNano())
	w.exec("CREATE ROLE " + role)
	t.Cleanup(func() {
		_, err := w.pool.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role)
		if err == nil {
			_, err = w.pool.Exec(context.WithoutCancel(t.Context()), "DROP ROLE "+role)
		}
		if err != nil {
			t.Error(err)
		}
	})
	as := func(sql string) error {
		return pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE "+role); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	const insert = "INSERT INTO outbox (application, event_type, payload) VALUES ('acme', 'a', '{}')"
	const call = "SELECT message_send('acme', 'a', jsonb_build_object('n', 1)::text)"
	if as(insert) == nil || as(call) == nil {
		t.Error("without any right it can send")
	}
	w.exec("GRANT USAGE ON SCHEMA postrider TO " + role)
	w.exec("GRANT INSERT ON outbox TO " + role)
	for _, sql := range []string{insert, call, "INSERT INTO outbox (application, event_type, payload) VALUES ('acme', 'a', json_build_object('n', 1))"} {
		if err := as(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"SELECT FROM outbox", "SELECT FROM message", "DELETE FROM outbox", "SELECT FROM outbox_dead_letter", "SELECT secret FROM endpoint"} {
		if as(sql) == nil {
			t.Errorf("%s is allowed", sql)
		}
	}
	if n := len(w.inOutbox()); n != 3 {
		t.Errorf("%d messages are in the outbox, want 3", n)
	}
}

// A row that Postgres refuses is put aside like one that we refuse, and does not delay other rows.
func TestRowThatPostgresRefusesDoesNotBlockTheOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, payload := range []string{`{"n": 1}`, `{"n": 2, "poison": true}`, `{"n": 3}`} {
		w.leave("acme", payload)
	}
	w.exec(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 / (position('poison' IN NEW.payload) = 0)::int; RETURN NEW; END $$`)
	w.exec(`CREATE TRIGGER poison BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION poison()`)
	outcomes := w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if outcomes[0].Err != nil || !core.IsKind(outcomes[1].Err, core.KindInvalid) || outcomes[2].Err != nil {
		t.Errorf("%+v", outcomes)
	}
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"n": 1}`, `{"n": 3}`}) || len(w.inOutbox()) != 0 {
		t.Errorf("stored %v, and %d are left", got, len(w.inOutbox()))
	}
}

// The migration leaves rows from before the constraints on dot names in place, and the consumer puts them aside with
// the reason.
func TestOutboxPutsStoredDotNamesAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addApplication(testOrg, "..")
	for _, column := range []string{"application", "event_type", "event_id"} {
		constraint := "outbox_" + column + "_dots_check"
		definition := value[string](w, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", constraint)
		w.exec("ALTER TABLE outbox DROP CONSTRAINT " + constraint)
		row := map[string]string{"application": "acme", "event_type": "invoice.paid", "event_id": "e-1"}
		row[column] = ".."
		w.exec("INSERT INTO outbox (org_id, application, event_type, event_id, payload) VALUES ($1, $2, $3, $4, '{}')",
			testOrg, row["application"], row["event_type"], row["event_id"])
		w.exec("ALTER TABLE outbox ADD CONSTRAINT " + constraint + " " + definition)
	}
	w.leave("acme", `{"good": true}`)
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"good": true}`}) || len(w.inOutbox()) != 0 {
		t.Errorf("stored %v, and %d are left", got, len(w.inOutbox()))
	}
	reasons := value[[]string](w, "SELECT array_agg(reason ORDER BY id) FROM outbox_dead_letter")
	for i, field := range []string{"application", "eventType", "eventId"} {
		if len(reasons) != 3 || !strings.Contains(reasons[i], field) || !strings.Contains(reasons[i], `must not be ".."`) {
			t.Errorf("put aside because of %q, want a dot name of each column", reasons)
		}
	}
}
