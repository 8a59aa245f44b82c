package store

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// standings returns how the message stands with the endpoint in both lists that show it. The list by endpoint
// contains only attempted messages.
func (w *world) standings(message core.MessageID, endpoint core.EndpointID) map[string]core.Destination {
	w.t.Helper()
	ctx, s := w.t.Context(), w.service()
	destinations, err := s.DestinationList(ctx, orgScope, "acme", string(message), core.Page{Before: "~", Limit: 10})
	if err != nil || len(destinations.Data) != 1 {
		w.t.Fatalf("%d destinations, %v", len(destinations.Data), err)
	}
	attempted, err := s.AttemptedMessageList(ctx, orgScope, "acme", string(endpoint), core.AttemptedMessageFilter{}, core.Page{Before: "~", Limit: 10})
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]core.Destination{"destinations": destinations.Data[0]}
	for _, m := range attempted.Data {
		all["attempted messages"] = core.Destination{Status: m.Status, NextAt: m.NextAt}
	}
	return all
}

func (w *world) wantNext(when string, message core.MessageID, endpoint core.EndpointID, status core.AttemptStatus, next *time.Time) {
	w.t.Helper()
	for list, got := range w.standings(message, endpoint) {
		if got.Status != status {
			w.t.Errorf("%s, %s: status %d, want %d", when, list, got.Status, status)
		}
		if (got.NextAt == nil) != (next == nil) || next != nil && !got.NextAt.Equal(*next) {
			w.t.Errorf("%s, %s: next attempt at %v, want %v", when, list, got.NextAt, next)
		}
	}
}

// While an attempt was in progress, the lists used to show the end of its lease as the time of the next attempt.
func TestNextAttemptIsUnknownWhileOneIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	m, err := NewMessageInserter(w.Store, &takes{room: room()}).MessageInsert(t.Context(), w.event(nil))
	if err != nil {
		t.Fatal(err)
	}
	w.wantNext("born leased", m.ID, e.ID, core.StatusPending, nil)

	claimAgain := func() core.Delivery {
		t.Helper()
		w.exec("UPDATE delivery SET due_at = now()") // an expired lease, or a retry that is due
		return w.claim(room())[0]
	}
	next := now().Add(time.Hour)
	d := claimAgain()
	w.wantNext("claimed after a lost lease", m.ID, e.ID, core.StatusPending, nil)
	w.record(result(d, next))
	w.wantNext("failed", m.ID, e.ID, core.StatusSending, &next)

	d = claimAgain()
	w.wantNext("retried", m.ID, e.ID, core.StatusSending, nil)
	w.record(result(d, next))
	w.wantNext("failed again", m.ID, e.ID, core.StatusSending, &next)

	w.resend(m.ID, e.ID)
	d = w.claim(room())[0]
	w.wantNext("resent between retries", m.ID, e.ID, core.StatusSending, nil)
	if !d.Manual || d.ResumeAt == nil || !d.ResumeAt.Equal(next) {
		t.Fatalf("claimed %+v", d)
	}
	resent := result(d, next)
	resent.Attempts = d.Attempts
	w.record(resent)
	w.wantNext("after the resend", m.ID, e.ID, core.StatusSending, &next)

	d = claimAgain()
	released := now()
	if err := w.queue().DeliveryRelease(t.Context(), []core.Delivery{d}, released); err != nil {
		t.Fatal(err)
	}
	w.wantNext("given back", m.ID, e.ID, core.StatusSending, &released)
	w.record(result(w.claim(room())[0], time.Time{}))
	w.wantNext("succeeded", m.ID, e.ID, core.StatusSuccess, nil)
}

func TestNextAttemptOfWhatWaitsIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	at := now().Add(time.Hour)
	m, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.DeliverAt = &at }))
	if err != nil {
		t.Fatal(err)
	}
	w.wantNext("delivered later", m.ID, e.ID, core.StatusPending, &at)

	// This is a retry that the previous release left waiting.
	w.exec("UPDATE delivery SET lease = 1, attempts = 1, resume_at = NULL")
	w.wantNext("of the earlier release", m.ID, e.ID, core.StatusPending, &at)
}
