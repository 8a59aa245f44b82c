package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// lost lists the ways in which the payload of an owed delivery disappears.
var lost = map[string]struct {
	reason core.DropReason
	lose   func(*world)
}{
	"expired": {core.DropExpired, func(w *world) { w.exec("UPDATE message SET expires_at = now()") }},
	"expunged": {core.DropExpunged, func(w *world) {
		id := value[string](w, "SELECT id FROM message WHERE app_id = $1", w.app.ID)
		if found, err := w.service().MessageExpungeMany(w.t.Context(), orgScope, "acme", []string{id}); err != nil || !found[id] {
			w.t.Errorf("%v, %v", found, err)
		}
	}},
	"purged": {core.DropExpunged, func(w *world) {
		if _, err := w.service().MessageExpungeAll(w.t.Context(), orgScope, "acme"); err != nil {
			w.t.Error(err)
		}
		w.steps(w.tasks())
		w.exec("DELETE FROM operational_event")
	}},
	"deleted": {core.DropExpunged, func(w *world) { w.exec("DELETE FROM message WHERE app_id = $1", w.app.ID) }},
}

// TestDeliveryWithoutPayloadIsToldAsExhausted: the delivery ends without the remaining attempts of its schedule, and
// the organisation is notified in the transaction that ends it.
func TestDeliveryWithoutPayloadIsToldAsExhausted(t *testing.T) {
	t.Parallel()
	for name, how := range lost {
		for _, attempted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, attempted %t", name, attempted), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.addWatcher(testOrg, "message.attempt.exhausted", "background_task.finished")
				e := w.addEndpoint(nil)
				id := w.send(1)[0]
				last := core.Attempt{ID: core.NoAttempt}
				if attempted {
					r := result(w.claim(room())[0], now())
					w.record(r)
					last = r.Attempt
				}
				how.lose(w)
				claim := w.claimAt(room(), now())
				want := core.Dropped{AppID: w.app.ID, MessageID: id, EndpointID: e.ID, Reason: how.reason}
				if attempted {
					want.Attempts = 1
				}
				if len(claim.Dropped) != 1 || claim.Dropped[0] != want || len(claim.Deliveries) != 0 {
					t.Fatalf("claimed %+v, dropped %+v; want %+v", claim.Deliveries, claim.Dropped, want)
				}
				events := w.told()
				if len(events) != 1 || events[0].Type != "message.attempt.exhausted" || events[0].OrgID != testOrg {
					t.Fatalf("told %+v", events)
				}
				if last.CreatedAt.IsZero() {
					last.CreatedAt = value[time.Time](w, `SELECT (payload::json #>> '{data,lastAttempt,timestamp}')::timestamptz FROM operational_event`)
					if age := time.Since(last.CreatedAt); age < 0 || age > time.Minute {
						t.Errorf("it ended %s ago", age)
					}
				}
				text := canonical(t, fmt.Sprintf(`{"type":"message.attempt.exhausted","data":{"appId":%q,"appUid":"acme","msgId":%q,"msgEventId":null,
					"endpointId":%q,"lastAttempt":{"id":%q,"responseStatusCode":%d,"timestamp":%q}}}`,
					w.app.ID, id, e.ID, last.ID, last.ResponseStatusCode, last.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000Z07:00")))
				if got := canonical(t, events[0].Payload); got != text {
					t.Errorf("told\n%s\nwant\n%s", got, text)
				}
				if again := w.claimAt(room(), now()); len(again.Dropped) != 0 || len(w.owed()) != 0 {
					t.Errorf("dropped %+v again; owed %v", again.Dropped, w.owed())
				}
			})
		}
	}
}

// TestManualAttemptWithoutPayloadIsNotToldAsExhausted: nobody is notified of manual attempts, except for one after
// which the schedule was to continue.
func TestManualAttemptWithoutPayloadIsNotToldAsExhausted(t *testing.T) {
	t.Parallel()
	for resumes, want := range map[bool]int{false: 0, true: 1} {
		w := newWorld(t)
		w.addWatcher(testOrg)
		w.addEndpoint(nil)
		w.send(1)
		w.exec("UPDATE delivery SET manual = true, resume_at = CASE WHEN $1 THEN now() + interval '1 hour' END", resumes)
		w.exec("UPDATE message SET payload = NULL")
		if claim := w.claimAt(room(), now()); len(claim.Dropped) != 1 {
			t.Errorf("dropped %+v", claim.Dropped)
		}
		if got := w.told(); len(got) != want {
			t.Errorf("that resumes %t: told %+v", resumes, got)
		}
	}
}

// TestDroppedDeliveryIsToldWithItsDrop: the drop and its event happen together or not at all.
func TestDroppedDeliveryIsToldWithItsDrop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.addEndpoint(nil)
	w.send(1)
	w.exec("UPDATE message SET payload = NULL")
	w.exec("ALTER TABLE operational_event ADD CONSTRAINT operational_event_none_check CHECK (false)")
	claim, err := w.queue().DeliveryClaim(t.Context(), room(), core.Queue{}, now())
	if err == nil || len(claim.Dropped) != 0 || len(w.owed()) != 1 {
		t.Errorf("%v, dropped %+v, owed %v", err, claim.Dropped, w.owed())
	}
	w.exec("ALTER TABLE operational_event DROP CONSTRAINT operational_event_none_check")
	if claim := w.claimAt(room(), now()); len(claim.Dropped) != 1 || len(w.told()) != 1 {
		t.Errorf("dropped %+v, told %+v", claim.Dropped, w.told())
	}
}

// TestDeliveryOfAnOperationalWebhookIsNotTold: an event about an event would cause another one.
func TestDeliveryOfAnOperationalWebhookIsNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.tell(testOrg, "a")
	w.stepEvents(w.tasks())
	w.exec("UPDATE message SET payload = NULL")
	if claim := w.claimAt(room(), now()); len(claim.Dropped) != 1 || w.told() != nil {
		t.Errorf("dropped %+v, told %+v", claim.Dropped, w.told())
	}
}

// TestDeliveriesToADisabledEndpointAreCounted: disabling is a decision, not a failure of each message. The deliveries
// are only counted for the log.
func TestDeliveriesToADisabledEndpointAreCounted(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"disabled = true", "deleted_at = now()"} {
		w := newWorld(t)
		w.addWatcher(testOrg)
		e := w.addEndpoint(nil)
		w.send(3)
		w.exec("UPDATE endpoint SET "+gone+" WHERE id = $1", e.ID)
		claim := w.claimAt(room(), now())
		want := core.Withdrawn{AppID: w.app.ID, EndpointID: e.ID, Deliveries: 3}
		if len(claim.Withdrawn) != 1 || claim.Withdrawn[0] != want || len(claim.Dropped) != 0 || w.told() != nil {
			t.Errorf("%s: withdrawn %+v, dropped %+v, told %+v", gone, claim.Withdrawn, claim.Dropped, w.told())
		}
	}
}
