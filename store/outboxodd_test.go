package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// oddRows has rows with every odd value that the columns' types allow, as columns and values of an INSERT after those
// of org_id. A reason is part of the dead letter's text; without one, the row is stored.
var oddRows = map[string]struct{ columns, values, reason string }{
	"channel that is NULL":       {"channels", "ARRAY['a', NULL]", "channels[1]"},
	"tag that is NULL":           {"tags", "ARRAY[NULL, 'a']", "tags[0]"},
	"channels that are all NULL": {"channels", "ARRAY[NULL, NULL]::text[]", "channels[0]"},
	"no channels":                {"channels", "'{}'", "Channels must have at least 1"},
	"no tags":                    {"tags", "'{}'", ""},
	"channels in two dimensions": {"channels", "'{{a},{b}}'", ""},
	"NULL in two dimensions":     {"channels", "'{{a},{NULL}}'", "channels[1]"},
	"channels counted from 0":    {"channels", "'[0:1]={a,b}'", ""},
	"NULL counted from -5":       {"tags", "'[-5:-4]={a,NULL}'", "tags[1]"},
	"eleven channels":            {"channels", "array_fill('a'::text, ARRAY[11])", "at most 10"},
	"a million channels":         {"channels", "array_fill('a'::text, ARRAY[1000000])", "at most 10"},
	"a million NULLs":            {"tags", "array_fill(NULL::text, ARRAY[1000000])", "tags[0]"},
	"channel of 257 bytes":       {"channels", "ARRAY[repeat('a', 257)]", "must not exceed"},
	"channel of 5 MB":            {"channels", "ARRAY[repeat('a', 5000000)]", "channels"},
	"channel with a comma":       {"channels", "ARRAY['a,b']", "may hold only"},
	"channel called null":        {"channels", "ARRAY['null']", ""},
	"empty channel":              {"channels", "ARRAY['']", "channels[0]"},
	"tag with a quote":           {"tags", "ARRAY['\"']", "may hold only"},
	"traceparent of 5 MB":        {"traceparent", "repeat('00-', 5000000)", ""},
	"traceparent of nonsense":    {"traceparent", "E'\\n\"\\x01'", ""},
	"event type of another case": {"event_type", "'INVOICE.Paid'", ""},
	"created at infinity":        {"created_at", "'infinity'", ""},
	"created at -infinity":       {"created_at, channels", "'-infinity', ARRAY[NULL]::text[]", "channels[0]"},
	"created before Christ":      {"created_at, channels", "'4713-01-01 BC', ARRAY[NULL]::text[]", "channels[0]"},
	"created in 294276":          {"created_at, channels", "'294276-12-31', ARRAY[NULL]::text[]", "channels[0]"},
	"id 0":                       {"id", "0", ""},
	"lowest id":                  {"id", "-9223372036854775808", ""},
	"highest id":                 {"id", "9223372036854775807", ""},
	"organisation of one letter": {"org_id", "'org_ü '", "Application not found"},
	"payload nested too deep":    {"payload", `repeat('{"a":', 600) || '1' || repeat('}', 600)`, "nested"},
	"payload of white space":     {"payload", `'{' || repeat(' ', 2000000) || '}' || repeat(E'\n', 2097152 - 2000002)`, ""},
	"payload with a name twice":  {"payload", `'{"a": 1, "a": "\ud800\u0000", "": 1e999999}'`, ""},
	"payload with spaces first":  {"payload", `E' \t\r\n{}'`, ""},
}

// leaveOdd inserts a row into the outbox as releases without the constraints could.
func (w *world) leaveOdd(columns, values string) {
	w.t.Helper()
	for column, good := range map[string]string{"org_id": string(testOrg), "application": "acme", "event_type": "a", "payload": "{}"} {
		if !slices.Contains(strings.Split(columns, ", "), column) {
			columns += ", " + column
			values += ", '" + good + "'"
		}
	}
	const checks = " FROM pg_constraint WHERE conrelid = 'outbox'::regclass AND contype = 'c' AND NOT convalidated"
	add := value[string](w, "SELECT string_agg(format('ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), ', ')"+checks)
	drop := value[string](w, "SELECT string_agg(format('DROP CONSTRAINT %I', conname), ', ')"+checks)
	w.exec("ALTER TABLE outbox " + drop)
	w.exec("INSERT INTO outbox (" + columns + ") OVERRIDING SYSTEM VALUE VALUES (" + values + ")")
	w.exec("ALTER TABLE outbox " + add)
}

// Whatever a row contains, it is stored or put aside with a reason, and the rows after it are processed. The
// constraints refuse most of these rows, but an earlier release may have left some.
func TestOutboxGoesOnAfterAnyRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, odd := range oddRows {
		w.exec("TRUNCATE outbox, outbox_dead_letter, message")
		w.leaveOdd(odd.columns, odd.values)
		w.leave("acme", `{"good": true}`)
		w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
		if left := w.inOutbox(); len(left) > 0 {
			t.Errorf("%s: %d messages are left in the outbox", name, len(left))
		}
		if stored := w.payloadsStored(); !slices.Contains(stored, `{"good": true}`) || (len(stored) == 2) != (odd.reason == "") {
			t.Errorf("%s: %d messages are stored", name, len(stored))
		}
		reason := value[string](w, "SELECT coalesce(max(reason), '') FROM outbox_dead_letter")
		if (reason == "") != (odd.reason == "") || !strings.Contains(reason, odd.reason) {
			t.Errorf("%s: put aside because of %q, want %q", name, reason, odd.reason)
		}
	}
}

// Only channels and tags that cannot be sent fail, and they fail in the transaction that inserts them.
func TestOutboxRefusesOddChannelsAndTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, odd := range oddRows {
		if odd.columns != "channels" && odd.columns != "tags" {
			continue
		}
		_, err := w.pool.Exec(t.Context(), "INSERT INTO outbox (application, event_type, payload, "+odd.columns+") VALUES ('acme', 'a', '{}', "+odd.values+")")
		e, _ := errors.AsType[*pgconn.PgError](err)
		if (err != nil) != (odd.reason != "") || err != nil && (e == nil || e.ConstraintName != "outbox_"+odd.columns+"_check") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Ids are reused after TRUNCATE ... RESTART IDENTITY or when a replica takes over. A dead letter with the same id
// must not prevent the next one.
func TestOutboxPutsTheSameIDAsideTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, application := range []string{"nobody", "no-one"} {
		w.leave(application, `{}`)
		w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
		w.exec("TRUNCATE outbox RESTART IDENTITY")
	}
	letters := value[[]string](w, "SELECT array_agg(id || ' ' || application ORDER BY refused_at) FROM outbox_dead_letter")
	if !slices.Equal(letters, []string{"1 nobody", "1 no-one"}) {
		t.Errorf("put aside are %v", letters)
	}
}

// ingesters lists the ways from a source into the store.
var ingesters = map[string]func(*core.Ingest, context.Context, []core.IngestIn) []core.Ingested{
	"outbox": (*core.Ingest).OutboxIngestMany,
	"broker": (*core.Ingest).MessageIngestMany,
}

// A row that Postgres refuses is put aside, even if none of our checks knows the rule. A failure that no row caused
// is retried.
func TestIngestPutsAsideWhatPostgresRefuses(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{ // whether the message has to be retried, by code
		"22P02": false, "22021": false, "23502": false, "23503": false, "23505": false, "23514": false,
		"23P01": false, "54000": false,
		"25006": true, "40001": true, "40P01": true, "42501": true, "42703": true, "53100": true, "55P03": true,
		"57014": true, "58030": true, "XX000": true,
	}
	for way, ingest := range ingesters {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exec(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF position('poison' IN NEW.payload) > 0 THEN
					RAISE 'a rule is broken' USING ERRCODE = NEW.payload::json ->> 'poison';
				END IF;
				RETURN NEW;
			END $$`)
			w.exec(`CREATE TRIGGER poison BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION poison()`)
			for code, again := range codes {
				w.exec("TRUNCATE outbox, outbox_dead_letter, message, message_key")
				for _, payload := range []string{`{"n": 1}`, `{"poison": "` + code + `"}`, `{"n": 3}`} {
					w.leave("acme", payload)
				}
				outcomes := ingest(w.ingest(), t.Context(), w.inOutbox())
				for i, o := range outcomes {
					if o.Again() != again || (o.Err != nil) != (again || i == 1) {
						t.Errorf("%s, message %d: %v", code, i, o.Err)
					}
				}
				want := []string{`{"n": 1}`, `{"n": 3}`}
				if again {
					want = []string{}
				}
				if got := w.payloadsStored(); !slices.Equal(got, want) {
					t.Errorf("%s: stored %v, want %v", code, got, want)
				}
				if reason := core.Reason(outcomes[1].Err); !again && !strings.Contains(reason, "The database") {
					t.Errorf("%s: the reason is %q", code, reason)
				}
			}
		})
	}
}

// A row that cannot even be put aside, for example because a DBA added a rule to the dead letters, remains in place.
// Each look at the whole outbox tries it again, and the rows after it are processed.
func TestOutboxGoesOnAfterRowThatCannotBePutAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("ALTER TABLE outbox_dead_letter ADD CONSTRAINT of_a_dba CHECK (application <> 'nobody')")
	for _, application := range []string{"acme", "nobody", "no-one", "acme"} {
		w.leave(application, `{}`)
	}
	ins := w.inOutbox()
	for i, o := range w.ingest().OutboxIngestMany(t.Context(), ins) {
		if o.Again() || (o.Err != nil) != (i == 1 || i == 2) {
			t.Errorf("message %d: %v", i, o.Err)
		}
		if i == 1 && !strings.Contains(core.Reason(o.Err), "of_a_dba") {
			t.Errorf("the reason is %q", core.Reason(o.Err))
		}
	}
	left := w.inOutbox()
	if len(w.payloadsStored()) != 2 || len(left) != 1 || left[0].AppRef != "nobody" {
		t.Errorf("stored %v, left %v", w.payloadsStored(), left)
	}
	w.exec("ALTER TABLE outbox_dead_letter DROP CONSTRAINT of_a_dba")
	w.ingest().OutboxIngestMany(t.Context(), left)
	if letters := value[int](w, "SELECT count(*) FROM outbox_dead_letter"); letters != 2 || len(w.inOutbox()) > 0 {
		t.Errorf("%d are put aside, %d left", letters, len(w.inOutbox()))
	}
}
