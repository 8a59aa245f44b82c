package store

import (
	"maps"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestHowMessagesStand has four messages to two endpoints. One endpoint delivers the first message, retries the
// second, has given up the third and has not been sent the fourth.
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

// stand makes the given attempts for each message. A Sending at the end stands for a failure that will be retried at
// next.
func (w *world) stand(endpoint core.EndpointID, attempts map[core.MessageID][]core.AttemptStatus, next time.Time) {
	w.t.Helper()
	for id, statuses := range attempts {
		for n, status := range statuses {
			w.exec("UPDATE delivery SET due_at = now(), lease = 7 WHERE message_id = $1 AND endpoint_id = $2", id, endpoint)
			r := result(core.Delivery{AppID: w.app.ID, MessageID: id, EndpointID: endpoint, Lease: 7, Attempts: n}, time.Time{})
			r.Attempt.ID = core.NewAttemptID(now().Add(time.Duration(n) * time.Second)) // one after the other
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

// destinations expects one endpoint to have the message as not yet sent and the other one as failed, even if that
// endpoint is deleted.
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
