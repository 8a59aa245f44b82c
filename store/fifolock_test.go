package store

import (
	"context"
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
