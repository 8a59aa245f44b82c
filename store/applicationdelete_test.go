package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// pausing is a store whose units of work, once done, pause before the commit until they are released.
type pausing struct {
	core.Store
	reached, letGo chan struct{}
}

func newPausing(s core.Store) pausing {
	return pausing{s, make(chan struct{}), make(chan struct{})}
}

func (p pausing) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return p.Store.InTx(ctx, func(ctx context.Context, tx core.Tx) error {
		if err := work(ctx, tx); err != nil {
			return err
		}
		close(p.reached)
		<-p.letGo
		return nil
	})
}

// meet runs first until it is about to commit, then second until it ends or waits for first, and then lets both
// finish.
func (w *world) meet(first, second func(*core.Service) error) (firstErr, secondErr error) {
	w.t.Helper()
	p := newPausing(w.Store)
	paused := w.serviceOn(p, time.Now)
	firstEnd, secondEnd := make(chan error, 1), make(chan error, 1)
	go func() { firstEnd <- first(paused) }()
	<-p.reached
	var ended atomic.Bool
	go func() {
		err := second(w.service())
		ended.Store(true)
		secondEnd <- err
	}()
	w.await("the second has ended or waits for the first", func() bool {
		return ended.Load() || value[bool](w, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")
	})
	close(p.letGo)
	return <-firstEnd, <-secondEnd
}

// An endpoint that was created while its application was being deleted was answered with 201 and remained.
func TestEndpointIsNotCreatedWhileItsApplicationIsDeleted(t *testing.T) {
	t.Parallel()
	in := core.EndpointIn{UID: new("hook"), URL: "https://example.com/", Version: 1}
	for name, create := range map[string]func(*core.Service) error{
		"create": func(s *core.Service) error {
			_, err := s.EndpointCreate(t.Context(), orgScope, "acme", in)
			return err
		},
		"update": func(s *core.Service) error {
			_, _, err := s.EndpointUpdate(t.Context(), orgScope, "acme", "hook", in)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remove := func(s *core.Service) error { return s.ApplicationDelete(t.Context(), orgScope, "acme") }
			w := newWorld(t)
			if deleted, created := w.meet(remove, create); deleted != nil || !core.IsKind(created, core.KindNotFound) {
				t.Errorf("delete: %v; create: %v, want it not found", deleted, created)
			}
			w.wantNoEndpoint()

			w = newWorld(t)
			if created, deleted := w.meet(create, remove); deleted != nil || created != nil {
				t.Errorf("create: %v; delete: %v", created, deleted)
			}
			w.wantNoEndpoint()
		})
	}
}

func (w *world) wantNoEndpoint() {
	w.t.Helper()
	if n := value[int](w, "SELECT count(*) FROM endpoint WHERE deleted_at IS NULL"); n != 0 {
		w.t.Errorf("%d endpoints live on in a deleted application", n)
	}
}

// Endpoints of one application are created concurrently, and while the application is changed or claimed for.
func TestEndpointCreateKeepsNobodyFromItsApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.in(func(ctx context.Context, tx core.Tx) error {
		if err := tx.ApplicationHold(ctx, testOrg, w.app.ID); err != nil {
			return err
		}
		in := core.EndpointIn{URL: "https://example.com/", Version: 1}
		if _, err := w.service().EndpointCreate(t.Context(), orgScope, "acme", in); err != nil {
			t.Errorf("create another: %v", err)
		}
		_, err := w.service().ApplicationPatch(t.Context(), orgScope, "acme", func(in *core.ApplicationIn) { in.Name = "N" })
		return err
	})
}

// Messages take no lock on their application. A message that is stored during the deletion is owed to a deleted
// endpoint, and the next claim drops it. A request that names its endpoint locks the endpoint and finds it deleted.
func TestWhatIsSentWhileItsApplicationIsDeletedIsDropped(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(*core.Service, core.Endpoint, core.MessageID) error{
		"message": func(s *core.Service, _ core.Endpoint, _ core.MessageID) error {
			_, err := s.MessageCreate(t.Context(), orgScope, "acme", core.MessageIn{EventType: "a", Payload: []byte("{}")})
			return err
		},
		"example": func(s *core.Service, e core.Endpoint, _ core.MessageID) error {
			_, err := s.MessageSendExample(t.Context(), orgScope, "acme", string(e.ID), core.PingEventType, 0)
			return err
		},
		"resend": func(s *core.Service, e core.Endpoint, m core.MessageID) error {
			return s.MessageResend(t.Context(), orgScope, "acme", string(m), string(e.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			message := w.send(1)[0]
			w.exec("DELETE FROM delivery")
			deleted, sent := w.meet(
				func(s *core.Service) error { return s.ApplicationDelete(t.Context(), orgScope, "acme") },
				func(s *core.Service) error { return send(s, e, message) })
			if deleted != nil || (name == "message") != (sent == nil) || sent != nil && !core.IsKind(sent, core.KindNotFound) {
				t.Errorf("delete: %v; send: %v", deleted, sent)
			}
			if claimed := w.claim(room()); len(claimed) != 0 || len(w.owed()) != 0 {
				t.Errorf("claimed %d, and owed is %v", len(claimed), w.owed())
			}
		})
	}
}
