package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

// watcher makes the receiver an operational-webhook endpoint of the client's organisation, for some
// event types or all.
func (r *receiver) watcher(t testing.TB, c client, eventTypes ...string) {
	t.Helper()
	in := svix.OperationalWebhookEndpointIn{Url: r.url, Secret: &r.secret, FilterTypes: eventTypes}
	must(c.OperationalWebhookEndpoint.Create(t.Context(), in, nil))(t)
}

// eventTypes are those of the operational webhooks that have arrived, in that order.
func (r *receiver) eventTypes(t testing.TB) []string {
	t.Helper()
	var types []string
	for _, a := range r.all() {
		var event struct{ Type string }
		if err := json.Unmarshal(a.body, &event); err != nil {
			t.Fatal(err)
		}
		types = append(types, event.Type)
	}
	return types
}

// told waits until these operational webhooks have arrived, whatever their order, and all those before,
// and no others.
func (r *receiver) told(t testing.TB, before int, want ...string) {
	t.Helper()
	slices.Sort(want)
	await(t, func() string {
		if got := r.eventTypes(t); len(got) < before+len(want) {
			return fmt.Sprintf("got %v, want %v as well", got, want)
		}
		return ""
	})
	got := r.eventTypes(t)[before:]
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// onlyEvent is the one operational webhook of that type, as the SDK reads it; it must say nothing besides.
func onlyEvent[T any](t testing.TB, r *receiver, eventType string) (event T) {
	t.Helper()
	types := r.eventTypes(t)
	n := slices.Index(types, eventType)
	if n < 0 || slices.Contains(types[n+1:], eventType) {
		t.Fatalf("not one %s: %v", eventType, types)
	}
	decoder := json.NewDecoder(bytes.NewReader(r.all()[n].body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("%s: %v", r.all()[n].body, err)
	}
	return event
}

// The receivers check the signatures when the test ends, as all of them do.
func TestOperationalWebhooksTellTheirOrganisation(t *testing.T) {
	t.Parallel()
	s, ctx := shared(t), t.Context()
	owner, stranger := newClient(t, s.url, s.token(t, "org_"+random())), newClient(t, s.url, s.token(t, "org_"+random()))
	all, some, others := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	all.watcher(t, owner)
	some.watcher(t, owner, "endpoint.enabled", "background_task.finished")
	others.watcher(t, stranger)

	uid := "app-" + random()
	app := must(owner.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t).Id
	endpoint := must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/", Uid: new("main")}, nil))(t).Id
	all.told(t, 0, "endpoint.created")
	patch := svix.EndpointPatch{}
	patch.Disabled = new(true)
	must(owner.Endpoint.Patch(ctx, app, endpoint, patch))(t)
	all.told(t, 1, "endpoint.updated", "endpoint.disabled")
	must(owner.Endpoint.Update(ctx, app, endpoint, svix.EndpointUpdate{Url: "https://example.com/", Uid: new("main")}))(t)
	all.told(t, 3, "endpoint.updated", "endpoint.enabled")
	done(t, owner.Endpoint.UpdateHeaders(ctx, app, endpoint, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}))
	done(t, owner.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{}, nil))
	all.told(t, 5, "endpoint.updated", "endpoint.updated")
	done(t, owner.Endpoint.Delete(ctx, app, endpoint))
	all.told(t, 7, "endpoint.deleted")
	task := must(owner.Statistics.AggregateAppStats(ctx, svix.AppUsageStatsIn{Since: aMinuteAgo(), Until: time.Now()}, nil))(t).Id
	all.told(t, 8, "background_task.finished")
	some.told(t, 0, "endpoint.enabled", "background_task.finished")

	want := models.EndpointCreatedEventData{AppId: app, AppUid: &uid, EndpointId: endpoint, EndpointUid: new("main")}
	same(t, text(t, onlyEvent[models.EndpointCreatedEvent](t, all, "endpoint.created").Data), text(t, want))
	same(t, text(t, onlyEvent[models.EndpointEnabledEvent](t, all, "endpoint.enabled").Data), text(t, want))
	same(t, text(t, onlyEvent[models.EndpointEnabledEvent](t, some, "endpoint.enabled").Data), text(t, want))
	same(t, text(t, onlyEvent[models.EndpointDeletedEvent](t, all, "endpoint.deleted").Data), text(t, want))
	disabled := onlyEvent[models.EndpointDisabledEvent](t, all, "endpoint.disabled").Data
	same(t, text(t, disabled), text(t, models.EndpointDisabledEventData{
		AppId: app, AppUid: &uid, EndpointId: endpoint, EndpointUid: new("main"), Trigger: new(models.ENDPOINTDISABLEDTRIGGER_MANUAL),
	}))
	finished := onlyEvent[models.BackgroundTaskFinishedEvent](t, all, "background_task.finished").Data
	if finished.TaskId != task || finished.Status != models.BACKGROUNDTASKSTATUS_FINISHED || finished.Task != models.BACKGROUNDTASKTYPE_APPLICATION_STATS {
		t.Errorf("the task is told as %+v", finished)
	}
	// The stranger's own event comes behind all of them, and nothing has come before it.
	must(stranger.Endpoint.Create(ctx, stranger.application(t), svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	others.told(t, 0, "endpoint.created")
	if got := onlyEvent[models.EndpointCreatedEvent](t, others, "endpoint.created").Data; got.EndpointId == endpoint || got.AppUid != nil {
		t.Errorf("another organisation is told %+v", got)
	}
}

// text is a value as JSON: what the SDK's types point to, and not where.
func text(t testing.TB, v any) string {
	t.Helper()
	return string(must(json.Marshal(v))(t))
}

// A watcher that fails gets the event again, as any webhook.
func TestOperationalWebhooksAreRetried(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := newClient(t, s.url, s.token(t, "org_"+random()))
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if a.nth == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.watcher(t, c)
	must(c.Endpoint.Create(t.Context(), c.application(t), svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	r.told(t, 0, "endpoint.created", "endpoint.created")
	if arrivals := r.all(); arrivals[0].id != arrivals[1].id {
		t.Errorf("it came as %s and as %s", arrivals[0].id, arrivals[1].id)
	}
}

func TestOperationalWebhooksTellOfMessagesThatKeepFailing(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=50ms,50ms,50ms,50ms,50ms")
	owner := newClient(t, s.url, s.token(t, "org_"+random()))
	watcher := newReceiver(t, nil)
	watcher.watcher(t, owner, "message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered", "endpoint.disabled")
	app := owner.application(t)
	endpointOf := func(answer func(http.ResponseWriter, *http.Request, arrival), channel string) string {
		return newReceiver(t, answer).endpointLike(t, owner, app, svix.EndpointIn{Channels: []string{channel}})
	}
	failing := endpointOf(status(500), "failing")
	recovering := endpointOf(func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if a.nth <= 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}, "recovering")
	gone := endpointOf(status(http.StatusGone), "gone")
	send := func(channel string) string {
		in := svix.MessageIn{EventType: "e2e.message", EventId: new(channel), Channels: []string{channel}, Payload: map[string]any{}}
		return must(owner.Message.Create(t.Context(), app, in, nil))(t).Id
	}

	id := send("failing")
	watcher.told(t, 0, "message.attempt.failing", "message.attempt.exhausted")
	attempts := owner.attempts(t, app, id, 6)
	told := onlyEvent[models.MessageAttemptFailingEvent](t, watcher, "message.attempt.failing").Data
	same(t, text(t, told), text(t, models.MessageAttemptFailingEventData{
		AppId: app, MsgId: id, MsgEventId: new("failing"), EndpointId: failing,
		LastAttempt: models.MessageAttemptFailedData{Id: attempts[3].Id, ResponseStatusCode: 500, Timestamp: attempts[3].Timestamp},
	}))
	exhausted := onlyEvent[models.MessageAttemptExhaustedEvent](t, watcher, "message.attempt.exhausted").Data
	if exhausted.LastAttempt.Id != attempts[5].Id {
		t.Errorf("%+v", exhausted)
	}

	id = send("recovering")
	watcher.told(t, 2, "message.attempt.failing", "message.attempt.recovered")
	attempts = owner.attempts(t, app, id, 5)
	recovered := onlyEvent[models.MessageAttemptRecoveredEvent](t, watcher, "message.attempt.recovered").Data
	if recovered.MsgId != id || recovered.EndpointId != recovering || recovered.LastAttempt.Id != attempts[4].Id {
		t.Errorf("%+v", recovered)
	}

	send("gone")
	watcher.told(t, 4, "endpoint.disabled")
	disabled := onlyEvent[models.EndpointDisabledEvent](t, watcher, "endpoint.disabled").Data
	if disabled.EndpointId != gone || disabled.FailSince == nil || *disabled.Trigger != models.ENDPOINTDISABLEDTRIGGER_AUTOMATIC {
		t.Errorf("%+v", disabled)
	}
}

// TestOperationalWebhooksTellOfMessagesThatWereExpunged: the payload goes before the retry is due.
func TestOperationalWebhooksTellOfMessagesThatWereExpunged(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=2s")
	owner := newClient(t, s.url, s.token(t, "org_"+random()))
	watcher := newReceiver(t, nil)
	watcher.watcher(t, owner, "message.attempt.exhausted")
	app := owner.application(t)
	endpoint := newReceiver(t, status(500)).endpoint(t, owner, app)
	id := owner.message(t, app)
	last := owner.attempts(t, app, id, 1)[0]
	done(t, owner.Message.ExpungeContent(t.Context(), app, id))
	watcher.told(t, 0, "message.attempt.exhausted")
	told := onlyEvent[models.MessageAttemptExhaustedEvent](t, watcher, "message.attempt.exhausted").Data
	if told.MsgId != id || told.EndpointId != endpoint || told.LastAttempt.Id != last.Id || told.LastAttempt.ResponseStatusCode != 500 {
		t.Errorf("%+v", told)
	}
	p.stop(t)
	line := `"msg":"delivery dropped; nothing left to send","reason":"payload expunged"`
	if log := p.stdout.String(); strings.Count(log, line) != 1 {
		t.Errorf("want one line with %s: %s", line, tail(log))
	}
}

// TestOperationalWebhooksOfOneSubjectKeepTheirOrder: the watcher refuses the first of each message until the
// last attempt at it has failed for long, so that the second waits for a retry of the first.
func TestOperationalWebhooksOfOneSubjectKeepTheirOrder(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=5ms,5ms,5ms,5ms,2s", "POSTRIDER_CIRCUIT_FAILURES=0")
	owner := newClient(t, s.url, s.token(t, "org_"+random()))
	app := owner.application(t)
	newReceiver(t, status(500)).endpoint(t, owner, app)
	watcher := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if bytes.Contains(a.body, []byte("message.attempt.failing")) && a.nth <= 5 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	watcher.watcher(t, owner, "message.attempt.failing", "message.attempt.exhausted")
	ids := []string{owner.message(t, app), owner.message(t, app)}
	const each = 6 + 1
	await(t, func() string {
		if types := watcher.eventTypes(t); len(types) < len(ids)*each {
			return fmt.Sprintf("got %v", types)
		}
		return ""
	})
	got := map[string][]string{}
	for _, a := range watcher.all() {
		var event struct {
			Type string
			Data struct{ MsgID string }
		}
		if err := json.Unmarshal(a.body, &event); err != nil {
			t.Fatal(err)
		}
		got[event.Data.MsgID] = append(got[event.Data.MsgID], event.Type)
	}
	want := append(slices.Repeat([]string{"message.attempt.failing"}, each-1), "message.attempt.exhausted")
	for _, id := range ids {
		if !slices.Equal(got[id], want) {
			t.Errorf("of %s came %v", id, got[id])
		}
	}
}
