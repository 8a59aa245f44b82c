package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// resend asks for a delivery by hand.
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
	w.resend(id, e.ID) // twice is once
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

// TestAResendIsNotSwallowedByAnAttemptUnderWay: the attempt that was under way when somebody asked for
// another must not end the delivery.
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

func TestAMessageWaitsForItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	d := &takes{room: room()}
	at := now().Add(time.Hour)
	m, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.DeliverAt = &at }))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.taken) != 0 || len(w.claim(room())) != 0 {
		t.Errorf("sent an hour early: %+v", d.taken)
	}
	if stored, err := w.MessageGet(t.Context(), w.app.ID, string(m.ID)); err != nil || stored.DeliverAt == nil || !stored.DeliverAt.Equal(at) {
		t.Errorf("%+v, %v", stored, err)
	}
	if claimed := w.claimAt(room(), at).Deliveries; len(claimed) != 1 {
		t.Errorf("claimed %+v when its time had come", claimed)
	}
}

func TestADeliveryCarriesContentTypeAndSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) {
		e.OldSecrets = []core.Secret{core.NewSecret(), core.NewSecret()}
		e.OldSecretsExpireAt = []time.Time{now().Add(time.Hour), now().Add(-time.Hour)}
	})
	event := w.event(func(m *core.NewMessage) { m.ContentType = new("text/csv") })
	d := &takes{room: room()}
	if _, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	w.exec("UPDATE delivery SET due_at = now()")
	for name, deliveries := range map[string][]core.Delivery{"handed over": d.taken, "claimed": w.claim(room())} {
		if len(deliveries) != 1 {
			t.Fatalf("%s: %d deliveries", name, len(deliveries))
		}
		got := deliveries[0]
		if got.ContentType == nil || *got.ContentType != "text/csv" || len(got.Secrets) != 2 ||
			got.Secrets[0].Text() != e.Secret.Text() || got.Secrets[1].Text() != e.OldSecrets[0].Text() {
			t.Errorf("%s: content type %v, %d secrets", name, got.ContentType, len(got.Secrets))
		}
	}
}

func TestABatchIsOneStatementWithAnAnswerForEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	inserter := NewMessageInserter(w.Store, nil)
	messages := make([]core.NewMessage, core.BatchMost)
	for i := range messages {
		messages[i] = w.event(func(m *core.NewMessage) { m.KeyHash = fmt.Appendf(nil, "%032d", i) })
	}
	messages[3].EventID, messages[4].EventID = new("same"), new("same")
	messages[3].ID, messages[4].ID = min(messages[3].ID, messages[4].ID), max(messages[3].ID, messages[4].ID)
	messages[5].Payload = new("\x00") // what Postgres refuses
	stored := inserter.MessageInsertMany(t.Context(), messages)
	for i, s := range stored {
		switch {
		case i == 4 && !core.IsKind(s.Err, core.KindConflict), i == 5 && s.Err == nil:
			t.Errorf("message %d: %v", i, s.Err)
		case i != 4 && i != 5 && (s.Err != nil || s.Message.ID != messages[i].ID || s.Message.AppID != w.app.ID):
			t.Errorf("message %d: %+v, %v", i, s.Message, s.Err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != core.BatchMost-2 {
		t.Errorf("%d deliveries", n)
	}
	for i := range messages { // sent again
		messages[i].ID = core.NewMessageID(now())
	}
	for i, again := range inserter.MessageInsertMany(t.Context(), messages) {
		if i != 4 && i != 5 && again.Message.ID != stored[i].Message.ID {
			t.Errorf("message %d: %s, then %s, %v", i, stored[i].Message.ID, again.Message.ID, again.Err)
		}
	}
	if none := inserter.MessageInsertMany(t.Context(), nil); len(none) != 0 {
		t.Errorf("no messages: %v", none)
	}
}

func TestPayloadsAreExpunged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.addApplication("org_other", "other")
	w.addEndpoint(nil)
	m, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.EventID = new("order-1") }))
	if err != nil {
		t.Fatal(err)
	}
	refs := []string{"none", "order-1", string(m.ID)}
	expunge := func(app core.AppID) (there []string) {
		w.in(func(ctx context.Context, tx core.Tx) (err error) {
			there, err = tx.MessageExpungeMany(ctx, app, refs)
			return err
		})
		return there
	}
	if there := expunge(other.ID); len(there) != 0 || value[int](w, "SELECT count(*) FROM message WHERE payload IS NULL") != 0 {
		t.Errorf("another application expunged %v", there)
	}
	if there := expunge(w.app.ID); !slices.Equal(there, refs[2:]) && !slices.Equal(there, []string{string(m.ID), "order-1"}) {
		t.Errorf("expunged %v", there)
	}
	if claimed := w.claim(room()); len(claimed) != 0 || len(w.owed()) != 0 {
		t.Errorf("claimed %+v, still owed %v", claimed, w.owed())
	}
}

// TestHowMessagesStand: four messages to two endpoints, of which one delivers the first, tries the
// second again, has given up the third and has not been sent the fourth.
func TestHowMessagesStand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.send(4)
	next := now().Add(time.Hour)
	w.stand(e.ID, map[core.MessageID][]core.AttemptStatus{
		ids[0]: {core.StatusFail, core.StatusSuccess}, ids[1]: {core.StatusFail, core.StatusSending}, ids[2]: {core.StatusFail, core.StatusFail},
	}, next)
	statuses := func(status *core.AttemptStatus, page core.Page) map[core.MessageID]core.AttemptStatus {
		rows, _, err := w.AttemptedMessageList(t.Context(), w.app.ID, e.ID, core.AttemptedMessageFilter{Status: status}, "", page)
		if err != nil {
			t.Fatal(err)
		}
		found := map[core.MessageID]core.AttemptStatus{}
		for _, row := range rows {
			found[row.MessageID] = row.Status
			if (row.NextAt != nil) != (row.MessageID == ids[1]) {
				t.Errorf("%s: next at %v", row.MessageID, row.NextAt)
			}
		}
		return found
	}
	const ok, fail = core.StatusSuccess, core.StatusFail
	for _, descending := range []bool{false, true} {
		page := core.Page{Before: "~", Limit: 10, Descending: descending}
		for name, c := range map[string]struct {
			status *core.AttemptStatus
			want   map[core.MessageID]core.AttemptStatus
		}{
			"all":     {nil, map[core.MessageID]core.AttemptStatus{ids[0]: ok, ids[1]: fail, ids[2]: fail}},
			"success": {new(core.StatusSuccess), map[core.MessageID]core.AttemptStatus{ids[0]: ok}},
			"fail":    {new(core.StatusFail), map[core.MessageID]core.AttemptStatus{ids[2]: fail}},
			"sending": {new(core.StatusSending), map[core.MessageID]core.AttemptStatus{ids[1]: fail}},
		} {
			if got := statuses(c.status, page); !maps.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
	stats, err := w.EndpointStatsGet(t.Context(), w.app.ID, e.ID, core.StatsPeriod{Since: now().Add(-time.Hour), Until: now().Add(time.Hour), Now: now()})
	if want := (core.EndpointStats{Succeeded: 1, Failed: 5, Pending: 1, Sending: 1}); err != nil || stats != want {
		t.Errorf("%+v, %v; want %+v", stats, err, want)
	}
	counted, err := w.EndpointAttemptStatsGet(t.Context(), w.app.ID, e.ID, core.StatsPeriod{Since: now().Add(-time.Hour), Until: now().Add(time.Hour), Now: now()})
	if want := (core.EndpointAttemptStats{Succeeded: 1, Failed: 5}); err != nil || counted != want {
		t.Errorf("%+v, %v; want %+v", counted, err, want)
	}
	w.destinations(ids[1], other.ID, e.ID)
}

// stand makes attempts: of each message these, where a Sending at the end is a failure that will be
// tried again at next.
func (w *world) stand(endpoint core.EndpointID, attempts map[core.MessageID][]core.AttemptStatus, next time.Time) {
	w.t.Helper()
	for id, statuses := range attempts {
		for n, status := range statuses {
			w.exec("UPDATE delivery SET due_at = now(), lease = 7 WHERE message_id = $1 AND endpoint_id = $2", id, endpoint)
			r := result(core.Delivery{AppID: w.app.ID, MessageID: id, EndpointID: endpoint, Lease: 7, Attempts: n}, time.Time{})
			r.Attempt.ID = core.NewAttemptID(now().Add(time.Duration(n) * time.Second)) // one behind the other
			if status != core.StatusSuccess {
				r.Attempt.Status = core.StatusFail
			}
			if n < len(statuses)-1 || status == core.StatusSending {
				r.NextAt = next
			}
			if !w.record(r) {
				w.t.Fatal("nothing was owed")
			}
		}
	}
}

// destinations expects a message to stand with one endpoint as not sent yet, with the other as failed,
// even when that one is deleted.
func (w *world) destinations(id core.MessageID, pending, failed core.EndpointID) {
	w.t.Helper()
	w.exec("UPDATE endpoint SET deleted_at = now() WHERE id = $1", failed)
	want := map[core.EndpointID]core.AttemptStatus{pending: core.StatusPending, failed: core.StatusFail}
	for _, descending := range []bool{false, true} {
		rows, _, err := w.DestinationList(w.t.Context(), w.app.ID, id, "", core.Page{Before: "~", Limit: 10, Descending: descending})
		got := map[core.EndpointID]core.AttemptStatus{}
		for i, row := range rows {
			got[row.Endpoint.ID] = row.Status
			if row.NextAt == nil || !row.Endpoint.Secret.IsZero() || i > 0 && (rows[0].Endpoint.ID > row.Endpoint.ID) != descending {
				w.t.Errorf("%+v", row)
			}
		}
		if err != nil || !maps.Equal(got, want) {
			w.t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	one, _, err := w.DestinationList(w.t.Context(), w.app.ID, id, "", core.Page{After: string(min(pending, failed)), Before: "~", Limit: 10})
	if err != nil || len(one) != 1 {
		w.t.Errorf("behind the first: %d, %v", len(one), err)
	}
}
