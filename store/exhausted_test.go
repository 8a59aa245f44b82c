package store

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// exhaust makes Postgres run out of shared memory for messages of the given event type.
func (w *world) exhaust(eventType string) {
	w.t.Helper()
	w.exec(`CREATE FUNCTION exhaust() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END $$`)
	w.exec(`CREATE TRIGGER exhaust BEFORE INSERT ON message FOR EACH ROW WHEN (NEW.event_type = '` + eventType + `')
		EXECUTE FUNCTION exhaust()`)
}

// TestMessageThatExhaustsPostgresFailsAlone has two such messages among the messages of many callers.
func TestMessageThatExhaustsPostgresFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exhaust("huge")
	bad := []int{3, 11}
	messages := w.events(20, func(n int, m *core.NewMessage) {
		if slices.Contains(bad, n) {
			m.EventType = "huge"
		}
	})
	for n, o := range NewMessageInserter(w.Store, nil).insertShared(t.Context(), messages) {
		if slices.Contains(bad, n) != core.IsExhausted(o.err) || slices.Contains(bad, n) == o.out.stored {
			t.Errorf("message %d: stored %t, %v", n, o.out.stored, o.err)
		}
	}
}

func TestPastExhaustedStopsWhereNothingHelps(t *testing.T) {
	t.Parallel()
	statements := 0
	outcomes := pastExhausted(make([]int, 512), func(inputs []int) []outcome[int] {
		return separately(inputs, func([]int) ([]outcome[int], error) {
			statements++
			return nil, &pgconn.PgError{Code: "53200"}
		})
	})
	if len(outcomes) != 512 || slices.ContainsFunc(outcomes, func(o outcome[int]) bool { return !core.IsExhausted(o.err) }) {
		t.Errorf("outcomes %+v", outcomes)
	}
	if most := exhaustedMost * 10; statements > most { // 512 can be halved nine times
		t.Errorf("%d statements, want at most %d", statements, most)
	}
}

// TestOutboxStoresWhatIsBeforeARowThatExhaustsPostgres: the later messages wait for the row, to keep their order, but
// are stored once it is put aside.
func TestOutboxStoresWhatIsBeforeARowThatExhaustsPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exhaust("huge")
	w.exec(`INSERT INTO outbox (org_id, application, event_type, payload)
		SELECT 'org_test', 'acme', CASE n WHEN 5 THEN 'huge' ELSE 'small' END, '{}' FROM generate_series(1, 9) AS n`)
	ins := w.inOutbox()
	for n, o := range w.ingest().OutboxIngestMany(t.Context(), ins) {
		if core.IsExhausted(o.Err) != (n >= 4) {
			t.Errorf("message %d: %v", n, o.Err)
		}
	}
	ins[4].Err = core.Invalid("put aside", "body")
	w.ingest().OutboxIngestMany(t.Context(), ins)
	if left := value[int](w, "SELECT count(*) FROM outbox"); left != 0 {
		t.Errorf("%d messages are left", left)
	}
	if stored := value[int](w, "SELECT count(*) FROM message"); stored != 8 {
		t.Errorf("%d messages stored, want 8", stored)
	}
}
