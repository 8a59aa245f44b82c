package store

import (
	"context"
	"testing"

	"github.com/postrider/postrider/core"
)

// owing is a statement that makes deliveries of given messages to an endpoint due, other than the one that stores
// messages.
type owing struct {
	name string
	code int // of an attempt at each message before; 0: there was none
	run  func(ctx context.Context, tx core.Tx, e core.Endpoint, ids []core.MessageID) error
}

// owings returns all of these statements. Those of tasks find the messages themselves, unless ids is empty.
func owings() []owing {
	each := func(do func(context.Context, core.Tx, core.Endpoint, core.MessageID) error) func(context.Context, core.Tx, core.Endpoint, []core.MessageID) error {
		return func(ctx context.Context, tx core.Tx, e core.Endpoint, ids []core.MessageID) error {
			for _, id := range ids {
				if err := do(ctx, tx, e, id); err != nil {
					return err
				}
			}
			return nil
		}
	}
	step := func(do func(context.Context, core.Tx, core.Endpoint, core.MessageRange) (core.TaskBatch, error)) func(context.Context, core.Tx, core.Endpoint, []core.MessageID) error {
		return func(ctx context.Context, tx core.Tx, e core.Endpoint, ids []core.MessageID) error {
			r := core.MessageRange{Before: "msg_", Limit: 1_000}
			if len(ids) > 0 {
				r.Before = string(ids[len(ids)-1]) + "!"
			}
			_, err := do(ctx, tx, e, r)
			return err
		}
	}
	return []owing{
		{"insert", 0, each(func(ctx context.Context, tx core.Tx, e core.Endpoint, id core.MessageID) error {
			return tx.DeliveryInsert(ctx, e.AppID, id, e.ID, now())
		})},
		{"resend", 0, each(func(ctx context.Context, tx core.Tx, e core.Endpoint, id core.MessageID) error {
			return tx.DeliveryResend(ctx, e.AppID, id, e.ID, now())
		})},
		{"recover", 500, step(func(ctx context.Context, tx core.Tx, e core.Endpoint, r core.MessageRange) (core.TaskBatch, error) {
			return tx.DeliveryRecoverMany(ctx, e.AppID, e.ID, r, now())
		})},
		{"replay missing", 0, step(func(ctx context.Context, tx core.Tx, e core.Endpoint, r core.MessageRange) (core.TaskBatch, error) {
			return tx.DeliveryReplayMissingMany(ctx, e.AppID, e.ID, r, now())
		})},
		{"replay", 200, step(func(ctx context.Context, tx core.Tx, e core.Endpoint, r core.MessageRange) (core.TaskBatch, error) {
			return tx.DeliveryReplayMany(ctx, e.AppID, e.ID, core.TaskParameters{}, r, now())
		})},
	}
}

// prepare stores messages that the statement applies to.
func (o owing) prepare(w *world, e core.Endpoint) []core.MessageID {
	ids := w.addMessages(e.AppID, 5, past())
	if o.code != 0 {
		w.addAttempts(e, o.code, ids...)
	}
	return ids
}

func TestWorkersAreNotifiedOfWhatBecomesDue(t *testing.T) {
	t.Parallel()
	for _, o := range owings() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			ids := o.prepare(w, e)
			owe := func(ids []core.MessageID) int {
				return w.notifications(func() {
					w.in(func(ctx context.Context, tx core.Tx) error { return o.run(ctx, tx, e, ids) })
				})
			}
			if heard := owe(nil); heard != 0 {
				t.Errorf("heard %d notifications of nothing", heard)
			}
			if heard := owe(ids); heard != 1 || w.owed()[e.ID] != len(ids) {
				t.Errorf("heard %d notifications of %d deliveries, want 1 of %d", heard, w.owed()[e.ID], len(ids))
			}
		})
	}
}

func TestWorkersAreNotifiedOfNoDeliveryThatIsOwedAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.addMessages(w.app.ID, 1, past())[0]
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.DeliveryInsert(ctx, e.AppID, id, e.ID, now()) })
	if heard := w.notifications(func() {
		w.in(func(ctx context.Context, tx core.Tx) error {
			if err := tx.DeliveryInsert(ctx, e.AppID, id, e.ID, now()); !core.IsKind(err, core.KindNotFound) {
				t.Errorf("inserted again: %v", err)
			}
			return nil
		})
	}); heard != 0 {
		t.Errorf("heard %d notifications", heard)
	}
}

func TestWorkersAreNotifiedOfTheNextInALane(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, subject, place, queue)
		VALUES ($1, 'msg_a', $2, now(), 0, 'a', 1, 3)`, e.AppID, e.ID)
	for _, want := range []int{1, 0} { // then it is due
		if heard := w.notifications(func() {
			w.in(func(ctx context.Context, tx core.Tx) error {
				return tx.DeliveryFollowMany(ctx, []core.Lane{{EndpointID: e.ID, Subject: "a"}}, now())
			})
		}); heard != want {
			t.Errorf("heard %d notifications, want %d", heard, want)
		}
	}
}
