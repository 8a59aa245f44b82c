package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// manual lists the use cases that send to one endpoint.
func manual(w *world, e core.Endpoint) map[string]func(*core.Service) error {
	ctx, id := w.t.Context(), string(e.ID)
	message := string(w.addMessages(w.app.ID, 1, now())[0])
	return map[string]func(*core.Service) error{
		"resend": func(s *core.Service) error { return s.MessageResend(ctx, orgScope, "acme", message, id) },
		"example": func(s *core.Service) error {
			return second(s.MessageSendExample(ctx, orgScope, "acme", id, "svix.ping", 0))
		},
		"recover": func(s *core.Service) error {
			return second(s.EndpointRecover(ctx, orgScope, "acme", id, core.PeriodIn{Since: past()}))
		},
		"replay missing": func(s *core.Service) error {
			return second(s.EndpointReplayMissing(ctx, orgScope, "acme", id, core.PeriodIn{Since: past()}))
		},
		"bulk replay": func(s *core.Service) error {
			return second(s.EndpointBulkReplay(ctx, orgScope, "acme", id, core.ReplayIn{PeriodIn: core.PeriodIn{Since: past()}}))
		},
	}
}

func second[T any](_ T, err error) error { return err }

func TestEndpointThatIsDisabledCannotBeSentTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.Disabled = true })
	for name, send := range manual(w, e) {
		if err := send(w.service()); !core.IsKind(err, core.KindConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows := value[int](w, "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM background_task)"); rows != 0 {
		t.Errorf("%d deliveries and tasks", rows)
	}
	w.exec("UPDATE endpoint SET disabled = false, deleted_at = now()")
	for name, send := range manual(w, e) {
		if err := send(w.service()); !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s to one that is deleted: %v", name, err)
		}
	}
}

// TestResendWaitsForWhoeverDisablesTheEndpoint: the endpoint was still enabled when the request was checked.
func TestResendWaitsForWhoeverDisablesTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	sends := manual(w, e)
	for _, name := range []string{"resend", "example"} {
		w.exec("UPDATE endpoint SET disabled = false")
		sent := make(chan error, 1)
		w.in(func(ctx context.Context, tx core.Tx) error {
			locked, err := tx.EndpointLock(ctx, e.AppID, string(e.ID))
			if err != nil {
				return err
			}
			go func() { sent <- sends[name](w.service()) }()
			w.awaitLock()
			locked.Disabled = true
			return tx.EndpointUpdate(ctx, locked)
		})
		if err := <-sent; !core.IsKind(err, core.KindConflict) || len(w.owed()) != 0 {
			t.Errorf("%s: %v, owed %v", name, err, w.owed())
		}
	}
}

// meanwhile runs a concurrent action after a step has created its batch of deliveries.
type meanwhile struct {
	*Store
	once sync.Once
	act  func()
}

type meanwhileTx struct {
	core.Tx
	of *meanwhile
}

func (m *meanwhile) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return m.Store.InTx(ctx, func(ctx context.Context, tx core.Tx) error { return work(ctx, meanwhileTx{tx, m}) })
}

func (t meanwhileTx) DeliveryCountDue(ctx context.Context, app core.AppID, e core.EndpointID, most int, at time.Time) (int64, error) {
	n, err := t.Tx.DeliveryCountDue(ctx, app, e, most, at)
	t.of.once.Do(t.of.act)
	return n, err
}

// TestTaskWhoseEndpointIsDisabledInItsLastStepFails: the endpoint was enabled when the step began, and workers drop
// the deliveries that the step creates.
func TestTaskWhoseEndpointIsDisabledInItsLastStepFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 10, past())...)
	task := w.recovers(e, past().Add(-time.Minute))
	s := w.tasksOn(&meanwhile{Store: w.Store, act: func() { w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", e.ID) }}, time.Now)
	w.steps(s)
	if got := w.task(task.ID); got.Status != core.TaskFailed || got.Progress().Error != "The endpoint is disabled." {
		t.Errorf("the task is %s, %s", got.Status, got.Progress().Error)
	}
}
