package store

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestNoInsertFailsForWantOfAPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	for _, at := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), // before the first instant an id can hold
		time.Date(2020, 5, 5, 0, 0, 0, 0, time.UTC),
		time.Date(2040, 5, 5, 0, 0, 0, 0, time.UTC),
		time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), // after the last
	} {
		in := w.event(func(m *core.NewMessage) { m.ID = core.NewMessageID(at) })
		if _, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), in); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if _, err := w.MessageGet(t.Context(), w.app.ID, string(in.ID)); err != nil {
			t.Errorf("%s: read back: %v", at, err)
		}
		r := result(w.claim(room())[0], time.Time{})
		r.Attempt.ID = core.NewAttemptID(at)
		if !w.record(r) {
			t.Errorf("%s: the attempt was not taken", at)
		}
		w.movesToItsPartition(at, in.ID)
	}
}

// movesToItsPartition checks that the message is caught and then moved together with its attempt.
func (w *world) movesToItsPartition(at time.Time, id core.MessageID) {
	w.t.Helper()
	message, attempt, err := w.PartitionCaught(w.t.Context())
	if err != nil || message != id || attempt == "" {
		w.t.Fatalf("%s: caught %s and %s, %v; want %s", at, message, attempt, err, id)
	}
	idTime, err := id.Time()
	if err != nil {
		w.t.Fatal(err)
	}
	p := core.MessagePartition(idTime)
	for _, p := range []core.Partition{p, core.AttemptPartition(idTime)} {
		if made, err := w.PartitionCreate(w.t.Context(), p); err != nil || !made {
			w.t.Fatalf("%s: made %v, %v", at, made, err)
		}
	}
	if message, attempt, err := w.PartitionCaught(w.t.Context()); err != nil || message != "" || attempt != "" {
		w.t.Errorf("%s: still caught: %s, %s, %v", at, message, attempt, err)
	}
	if in := value[string](w, "SELECT tableoid::regclass::text FROM message WHERE id = $1", id); in != "message_"+p.Suffix {
		w.t.Errorf("%s: the message is in %s", at, in)
	}
}

func TestPartitionsAreMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, p := range core.PartitionsAround(time.Now()) {
		if made, err := w.PartitionCreate(t.Context(), p); err != nil || made {
			t.Errorf("%s_%s: made %v, %v", p.Table, p.Suffix, made, err)
		}
	}
}

func TestMessagesOfNowHaveAPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(1)
	if n := value[int](w, "SELECT count(*) FROM message_default"); n != 0 {
		t.Error("a message of now landed in the default partition")
	}
}

func TestPartitionsAreMadeWhileOthersWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, err := w.pool.Begin(t.Context()) // a slow writer
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), tx)
	rows, err := queries.MessageInsertMany(t.Context(), tx, insertParams([]core.NewMessage{w.event(nil)}, core.Room{}, now()))
	if err != nil || !rows[0].Stored {
		t.Fatalf("%+v, %v", rows, err)
	}
	made, err := w.PartitionCreate(t.Context(), core.MessagePartition(time.Now().AddDate(1, 0, 0)))
	if err != nil || !made {
		t.Errorf("beside an open transaction: made %v, %v", made, err)
	}
}

// Autovacuum analyzes partitions but never partitioned tables.
func TestPartitionedTablesAreAnalyzedOnceADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addMessages(w.app.ID, 100, past())
	analyze := func(before time.Time) bool {
		t.Helper()
		analyzed, err := w.PartitionAnalyze(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		return analyzed
	}
	held := w.begin()
	if locked, err := queries.PartitionStatisticsLockAnyTenant(t.Context(), held); err != nil || !locked {
		t.Fatal(locked, err)
	}
	if analyze(now()) {
		t.Error("analyzed beside another process")
	}
	rollback(t.Context(), held)
	if !analyze(now()) {
		t.Error("not analyzed at first")
	}
	if rows := value[float64](w, "SELECT sum(reltuples)::float8 FROM pg_class WHERE oid IN ('message'::regclass, 'attempt'::regclass)"); rows != 100 {
		t.Errorf("statistics of %g rows", rows)
	}
	if analyze(now().Add(-time.Hour)) {
		t.Error("analyzed again within the hour")
	}
	if !analyze(now().Add(time.Hour)) {
		t.Error("not analyzed an hour later")
	}
}
