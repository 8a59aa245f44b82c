package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// attempted returns the result of an attempt at a new message, which has had the given number of attempts.
func (w *world) attempted(e core.Endpoint, attempts int, status core.AttemptStatus, next time.Time) core.Result {
	w.t.Helper()
	m := w.addMessages(e.AppID, 1, now())[0]
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.DeliveryInsert(ctx, e.AppID, m, e.ID, now()) })
	r := core.Result{Attempt: core.Attempt{
		AppID: e.AppID, ID: core.NewAttemptID(now()), MessageID: m, EndpointID: e.ID, URL: e.URL, Status: status,
		ResponseStatusCode: 500, CreatedAt: now(),
	}, Attempts: attempts, NextAt: next}
	return r
}

func TestWhatOperationalWebhooksTellOfAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.addWatcher("org_other")
	e, retry := w.addEndpoint(func(e *core.Endpoint) { e.UID = new("main") }), now().Add(time.Minute)
	results := []core.Result{
		w.attempted(e, 3, core.StatusFail, retry), w.attempted(e, 4, core.StatusFail, retry),
		w.attempted(e, 8, core.StatusFail, time.Time{}), w.attempted(e, 5, core.StatusSuccess, time.Time{}),
	}
	late := w.attempted(e, 4, core.StatusFail, retry) // another worker has the lease by now
	late.Lease = 7
	var want []string
	for _, r := range append(results, late) {
		if held := w.record(r); held != (r.Lease == 0) {
			t.Errorf("held: %t", held)
		}
	}
	for i, eventType := range map[int]string{1: "message.attempt.failing", 2: "message.attempt.exhausted", 3: "message.attempt.recovered"} {
		a := results[i].Attempt
		want = append(want, canonical(t, fmt.Sprintf(`{"type":%q,"data":{"appId":%q,"appUid":"acme","msgId":%q,"msgEventId":null,"endpointId":%q,
			"lastAttempt":{"id":%q,"responseStatusCode":500,"timestamp":%q}}}`,
			eventType, e.AppID, a.MessageID, e.ID, a.ID, a.CreatedAt.Format("2006-01-02T15:04:05.000000Z07:00"))))
	}
	var got []string
	for _, event := range w.told() {
		got = append(got, canonical(t, event.Payload))
		if event.OrgID != testOrg {
			t.Errorf("%s is told", event.OrgID)
		}
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
}

func TestAnEndpointThatIsDisabledForFailingIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg, "endpoint.disabled")
	e := w.addEndpoint(func(e *core.Endpoint) { e.UID = new("main") })
	for range 2 {
		gone := w.attempted(e, 1, core.StatusFail, time.Time{})
		gone.Gone = true
		w.record(gone)
	}
	since := value[time.Time](w, "SELECT failing_since FROM endpoint WHERE id = $1", e.ID)
	want := canonical(t, fmt.Sprintf(`{"type":"endpoint.disabled","data":{"appId":%q,"appUid":"acme","endpointId":%q,"endpointUid":"main","failSince":%q,"trigger":"automatic"}}`,
		e.AppID, e.ID, since.Format("2006-01-02T15:04:05.000000Z07:00")))
	if got := w.told(); len(got) != 1 || canonical(t, got[0].Payload) != want {
		t.Errorf("told %+v, want %s", got, want)
	}
	w.exec("DELETE FROM operational_event")
	own := w.attempted(watcher, 1, core.StatusFail, time.Time{})
	own.Gone = true
	if w.record(own); w.told() != nil {
		t.Errorf("told of an operational endpoint: %+v", w.told())
	}
}

// canonical returns a JSON text with its fields in order.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}
