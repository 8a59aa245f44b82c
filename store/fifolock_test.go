package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

// TestFIFOEndpointsShareOneLock stores a message to many FIFO endpoints. Postgres has room for a few thousand locks
// of all sessions together.
func TestFIFOEndpointsShareOneLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoints(w.app.ID, 300, "NULL")
	w.exec("UPDATE endpoint SET fifo = true")
	w.in(func(ctx context.Context, unit core.Tx) error {
		if _, err := unit.MessageInsertMany(ctx, []core.NewMessage{w.event(nil), w.event(nil)}, now()); err != nil {
			return err
		}
		var locks, numbered int
		err := unit.(tx).conn.QueryRow(ctx, `
			SELECT
				(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
				(SELECT count(*) FROM delivery WHERE seq IS NOT NULL)`).Scan(&locks, &numbered)
		if locks != 1 || numbered != 600 {
			t.Errorf("%d locks for %d deliveries in order, want one for 600", locks, numbered)
		}
		return err
	})
}

// TestFIFODeliveriesAreNumberedByApplication has two applications whose endpoints' ids alternate. Two statements that
// took the applications' locks in the order of the endpoints would wait for each other.
func TestFIFODeliveriesAreNumberedByApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	apps := []core.AppID{w.app.ID, w.addApplication(testOrg, "other").ID}
	for n := range 6 {
		w.addEndpoint(func(e *core.Endpoint) { e.AppID, e.FIFO = apps[n%2], true })
	}
	messages := w.events(2, func(n int, m *core.NewMessage) { m.AppRef = string(apps[n]) })
	for _, stored := range NewMessageInserter(w.Store, nil).MessageInsertMany(t.Context(), messages) {
		if stored.Err != nil {
			t.Fatal(stored.Err)
		}
	}
	got := value[[]string](w, "SELECT array_agg(app_id ORDER BY seq) FROM delivery")
	if want := slices.Sorted(slices.Values(got)); len(got) != 6 || !slices.Equal(got, want) {
		t.Errorf("numbered in the order %v", got)
	}
}

// TestFIFODeliveriesAreNumberedUnderTheLock is about every statement that inserts deliveries. Without the lock until the
// commit, a transaction could see a number before a lower one.
func TestFIFODeliveriesAreNumberedUnderTheLock(t *testing.T) {
	t.Parallel()
	stored := owing{"store", 0, func(ctx context.Context, unit core.Tx, e core.Endpoint, _ []core.MessageID) error {
		payload := "{}"
		var messages []core.NewMessage
		for range 5 {
			m := core.NewMessage{Message: core.Message{ID: core.NewMessageID(now()), EventType: "a", Payload: &payload}, OrgID: testOrg, AppRef: string(e.AppID)}
			messages = append(messages, m)
		}
		_, err := unit.MessageInsertMany(ctx, messages, now())
		return err
	}}
	for _, o := range append(owings(), stored) {
		for _, fifo := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, fifo %t", o.name, fifo), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = fifo })
				ids := o.prepare(w, e)
				w.in(func(ctx context.Context, unit core.Tx) error {
					if err := o.run(ctx, unit, e, ids); err != nil {
						return err
					}
					if w.canLockFIFO(w.app.ID) == fifo {
						t.Errorf("before the commit, another transaction could take the lock: %t", !fifo)
					}
					return nil
				})
				got := value[[]string](w, "SELECT coalesce(array_agg(message_id ORDER BY seq), '{}') FROM delivery WHERE seq IS NOT NULL")
				if want := map[bool]int{true: 5, false: 0}[fifo]; len(got) != want || !slices.IsSorted(got) {
					t.Errorf("numbered %v, want %d in their order", got, want)
				}
				if owed := w.owed()[e.ID]; owed != 5 {
					t.Errorf("owed %d, want 5", owed)
				}
			})
		}
	}
}

// canLockFIFO reports whether another transaction could number deliveries of an application now.
func (w *world) canLockFIFO(app core.AppID) bool {
	return value[bool](w, "SELECT pg_try_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), $1::text), 0))", app)
}
