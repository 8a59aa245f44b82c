package store

import (
	"context"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// resend requests a manual delivery.
func (w *world) resend(message core.MessageID, endpoint core.EndpointID) {
	w.t.Helper()
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.DeliveryResend(ctx, w.app.ID, message, endpoint, now())
	})
}

func TestAResendIsOneAttemptOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	w.record(result(w.claim(room())[0], time.Time{}))
	w.resend(id, e.ID)
	d := w.claim(room())[0]
	if !d.Manual || d.ResumeAt != nil || d.Attempts != 0 {
		t.Errorf("claimed %+v", d)
	}
	w.record(result(d, time.Time{}))
	if owed := w.owed(); len(owed) != 0 {
		t.Errorf("still owed: %v", owed)
	}
}

func TestAResendLeavesTheScheduleAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	next := now().Add(time.Hour)
	w.record(result(w.claim(room())[0], next))
	w.resend(id, e.ID)
	w.resend(id, e.ID) // resending twice has the effect of once
	claimed := w.claim(room())
	if len(claimed) != 1 || !claimed[0].Manual || claimed[0].ResumeAt == nil || !claimed[0].ResumeAt.Equal(next) {
		t.Fatalf("claimed %+v", claimed)
	}
	failed := result(claimed[0], next)
	failed.Attempts = claimed[0].Attempts
	w.record(failed)
	manual, dueAt := value[bool](w, "SELECT manual FROM delivery"), value[time.Time](w, "SELECT due_at FROM delivery")
	if manual || !dueAt.Equal(next) || value[int](w, "SELECT attempts FROM delivery") != 1 {
		t.Errorf("manual %t, due at %s, want the schedule's %s", manual, dueAt, next)
	}
}

// TestAResendIsNotSwallowedByAnAttemptUnderWay: an attempt that was in progress when another one was requested must
// not end the delivery.
func TestAResendIsNotSwallowedByAnAttemptUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	underWay := w.claim(room())[0]
	w.resend(id, e.ID)
	if held := w.record(result(underWay, time.Time{})); held {
		t.Error("the attempt under way kept its lease")
	}
	if claimed := w.claim(room()); len(claimed) != 1 || !claimed[0].Manual {
		t.Errorf("claimed %+v", claimed)
	}
}
