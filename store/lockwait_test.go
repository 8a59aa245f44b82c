package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// lockFIFO holds the lock for numbering deliveries to FIFO endpoints of an application until the transaction ends.
func (w *world) lockFIFO(app core.AppID) pgx.Tx {
	w.t.Helper()
	holder := w.begin()
	if _, err := holder.Exec(w.t.Context(),
		"SELECT pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), $1::text), 0))", app); err != nil {
		w.t.Fatal(err)
	}
	return holder
}

func TestMessageInsertWaitsForNobodyElsesLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	other := w.addApplication(testOrg, "neighbour")
	w.addEndpoint(func(e *core.Endpoint) { e.AppID = other.ID })
	holder := w.lockFIFO(w.app.ID)
	inserter := NewMessageInserter(w.Store, nil)

	stored := make(chan error, 20)
	var blocked sync.WaitGroup
	for range 10 {
		blocked.Go(func() {
			_, err := inserter.MessageInsert(t.Context(), w.event(nil))
			stored <- err
		})
	}
	for range 10 { // while the others wait
		if _, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.AppRef = string(other.ID) })); err != nil {
			t.Fatal(err)
		}
	}
	messages := w.events(4, func(n int, m *core.NewMessage) {
		if n%2 == 1 {
			m.AppRef = string(other.ID)
		}
	})
	for n, o := range inserter.insertMany(t.Context(), messages) {
		if o.err != nil || o.out.stored != (n%2 == 1) || o.out.lockedOut != (n%2 == 0) {
			t.Errorf("%d of a batch: %+v", n, o)
		}
	}
	if len(stored) != 0 {
		t.Errorf("%d messages were stored past the lock", len(stored))
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	blocked.Wait()
	for range 10 {
		if err := <-stored; err != nil {
			t.Errorf("once the lock was free: %v", err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE seq IS NOT NULL"); n != 10 {
		t.Errorf("%d deliveries are numbered, want 10", n)
	}
}

func TestMessageInsertManyStoresLockedApplicationsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	holder := w.lockFIFO(w.app.ID)
	inserter := NewMessageInserter(w.Store, nil)
	messages := w.events(20, func(int, *core.NewMessage) {})
	stored := make(chan []core.Stored, 1)
	go func() { stored <- inserter.MessageInsertMany(t.Context(), messages) }()
	for range 5 { // while the others wait
		if done := inserter.insertMany(t.Context(), w.events(1, func(int, *core.NewMessage) {})); !done[0].out.lockedOut {
			t.Errorf("beside the lock: %+v", done[0])
		}
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, one := range <-stored {
		if one.Err != nil {
			t.Error(one.Err)
		}
	}
	got := value[[]core.MessageID](w, "SELECT array_agg(message_id ORDER BY seq) FROM delivery")
	if !slices.EqualFunc(got, messages, func(id core.MessageID, m core.NewMessage) bool { return id == m.ID }) {
		t.Errorf("numbered in the order %v", got)
	}
}

func TestMessagesOfALockedApplicationKeepTheirOrder(t *testing.T) {
	t.Parallel()
	message := func(app string) core.NewMessage {
		payload := "{}"
		return core.NewMessage{Message: core.Message{ID: core.NewMessageID(now()), Payload: &payload}, OrgID: testOrg, AppRef: app}
	}
	messages := []core.NewMessage{message("a"), message("b"), message("a"), message("c")}
	var ran [][]string
	outcomes := inParts(newCrowds(), messages, func(some []core.NewMessage, _ int64) ([]outcome[insertion], error) {
		var apps []string
		done := make([]outcome[insertion], len(some))
		for n, m := range some {
			apps = append(apps, m.AppRef)
			done[n].out = insertion{app: "app", stored: len(ran) > 1, lockedOut: len(ran) == 1 && m.AppRef == "a"}
		}
		ran = append(ran, apps)
		if len(ran) == 1 {
			return nil, &pgconn.PgError{Code: "22000"} // so that it is halved
		}
		return done, nil
	})
	if want := [][]string{{"a", "b", "a", "c"}, {"a", "b"}, {"c"}}; !slices.EqualFunc(ran, want, slices.Equal) {
		t.Errorf("the statements were for %v, want %v: a is locked in the second", ran, want)
	}
	if !outcomes[0].out.lockedOut || !outcomes[2].out.lockedOut || outcomes[2].out.stored {
		t.Errorf("outcomes %+v", outcomes)
	}
}

func TestLockWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		wait := newLockWait()
		err := wait.next(t.Context())
		for ; err == nil; err = wait.next(t.Context()) {
			tries++
		}
		if e, ok := errors.AsType[*core.Error](err); !ok || e.Code != core.CodeTooBusy {
			t.Error(err)
		}
		if lasted := time.Since(began); lasted < requestWait || lasted > requestWait+lockPauseMax || tries > 500 {
			t.Errorf("%d tries in %s", tries, lasted)
		}
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		wait = newLockWait()
		if err := wait.next(gone); err == nil {
			t.Error("it waits for a client that hung up")
		}
	})
}

func TestStatementsWaitForLocksForABoundedTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := value[string](w, "SHOW lock_timeout"); got != lockTimeout {
		t.Errorf("lock_timeout is %s", got)
	}
	err := mapError(&pgconn.PgError{Code: codeLocked})
	if e, ok := errors.AsType[*core.Error](err); !ok || e.Kind != core.KindUnavailable || e.Code != core.CodeTooBusy {
		t.Errorf("a lock that was not free: %v", err)
	}
	if _, outage := OutageCause(err); outage {
		t.Error("a lock that is held counts as an outage of the database")
	}
}
