package store

import (
	"context"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// owe creates n waiting deliveries for an endpoint, half of them due far in the future.
func (w *world) owe(e core.Endpoint, n int) {
	w.t.Helper()
	w.exec(`
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts, queue)
		SELECT $1, 'msg_' || lpad(n::text, 27, '0'), $2, now() + (n % 2) * interval '1 hour', 1, n % 2, n % 2
		FROM generate_series(1, $3::int) AS n`, e.AppID, e.ID, n)
}

// backlog is more than one statement drops, plus more than a claim drops after it.
const backlog = core.DropMost + withdrawEach + 100

func (w *world) switchOff(e core.Endpoint, disabled bool) {
	w.t.Helper()
	_, err := w.service().EndpointPatch(w.t.Context(), orgScope, "acme", string(e.ID), func(in *core.EndpointIn) { in.Disabled = disabled })
	if err != nil {
		w.t.Fatal(err)
	}
}

// withdrawn makes workers claim until nothing is owed to an endpoint, and returns how many deliveries they dropped.
func (w *world) withdrawn(e core.Endpoint) (n int64) {
	w.t.Helper()
	for range backlog {
		claim := w.claimAt(room(), now())
		if len(claim.Deliveries) != 0 {
			w.t.Fatalf("claimed %d deliveries", len(claim.Deliveries))
		}
		if !claim.Ended() {
			break
		}
		for _, of := range claim.Withdrawn {
			n += of.Deliveries
		}
	}
	if left := w.owed()[e.ID]; left != 0 {
		w.t.Errorf("%d deliveries are still owed", left)
	}
	return n
}

// Dropping a million deliveries in one statement ran into its timeout, and the endpoint could not be disabled.
func TestEndpointThatIsOwedMuchIsDisabledAndDeletedInParts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, core.Endpoint) error{
		"disabled": func(w *world, e core.Endpoint) error { w.switchOff(e, true); return nil },
		"deleted": func(w *world, e core.Endpoint) error {
			return w.service().EndpointDelete(t.Context(), orgScope, "acme", string(e.ID))
		},
		"application deleted": func(w *world, _ core.Endpoint) error {
			return w.service().ApplicationDelete(t.Context(), orgScope, "acme")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			w.owe(e, backlog)
			if err := end(w, e); err != nil {
				t.Fatal(err)
			}
			if left := w.owed()[e.ID]; left != backlog-core.DropMost {
				t.Errorf("%d deliveries are left to workers, want %d", left, backlog-core.DropMost)
			}
			if n := w.withdrawn(e); n != backlog-core.DropMost {
				t.Errorf("workers dropped %d", n)
			}
		})
	}
}

// Deliveries that were owed to an endpoint when it was disabled are not sent after it is enabled again, even
// immediately.
func TestEndpointThatIsEnabledAtOnceIsOwedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.owe(e, 2*core.DropMost+100)
	w.owe(other, 7)
	w.switchOff(e, true)
	w.switchOff(e, false)
	if owed := w.owed(); owed[e.ID] != 0 || owed[other.ID] != 7 {
		t.Errorf("owed %v", owed)
	}
	w.owe(e, 3)
	w.switchOff(e, false) // it is enabled
	if owed := w.owed(); owed[e.ID] != 3 {
		t.Errorf("owed %v", owed)
	}
}

// An endpoint whose backlog cannot be dropped in time stays disabled, and dropped deliveries stay dropped.
func TestEndpointIsNotEnabledBeforeItIsOwedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.Disabled = true })
	w.owe(e, backlog)
	s := w.serviceOn(&cutShort{w.Store, 1}, time.Now)
	_, err := s.EndpointPatch(t.Context(), orgScope, "acme", string(e.ID), func(in *core.EndpointIn) { in.Disabled = false })
	got, _ := w.EndpointGet(t.Context(), e.AppID, string(e.ID))
	if left := w.owed()[e.ID]; err == nil || !got.Disabled || left != backlog-core.DropMost {
		t.Errorf("%v; disabled %t, owed %d", err, got.Disabled, left)
	}
	w.switchOff(e, false)
	if owed := w.owed(); len(owed) != 0 {
		t.Errorf("owed %v", owed)
	}
}

// cutShort is a store that becomes unavailable after some units of work.
type cutShort struct {
	core.Store
	left int
}

func (c *cutShort) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return c.Store.InTx(ctx, work)
}
