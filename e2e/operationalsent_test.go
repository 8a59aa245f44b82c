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

	"github.com/postrider/postrider/e2e/rig"
)

// TestOperationalWebhooksTellTheirOrganisation also verifies signatures: its receivers check them when the test ends,
// as all receivers do.
func TestOperationalWebhooksTellTheirOrganisation(t *testing.T) {
	t.Parallel()
	s, ctx := rig.Shared(t), t.Context()
	owner, stranger := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random())), rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	all, some, others := rig.NewReceiver(t, nil), rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	all.Watch(t, owner)
	some.Watch(t, owner, "endpoint.enabled", "background_task.finished")
	others.Watch(t, stranger)

	uid := "app-" + rig.Random()
	app := rig.Must(owner.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t).Id
	endpoint := rig.Must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/", Uid: new("main")}, nil))(t).Id
	all.WantTold(t, 0, "endpoint.created")
	patch := svix.EndpointPatch{}
	patch.Disabled = new(true)
	rig.Must(owner.Endpoint.Patch(ctx, app, endpoint, patch))(t)
	all.WantTold(t, 1, "endpoint.updated", "endpoint.disabled")
	rig.Must(owner.Endpoint.Update(ctx, app, endpoint, svix.EndpointUpdate{Url: "https://example.com/", Uid: new("main")}))(t)
	all.WantTold(t, 3, "endpoint.updated", "endpoint.enabled")
	rig.NoError(t, owner.Endpoint.UpdateHeaders(ctx, app, endpoint, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}))
	rig.NoError(t, owner.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{}, nil))
	all.WantTold(t, 5, "endpoint.updated", "endpoint.updated")
	rig.NoError(t, owner.Endpoint.Delete(ctx, app, endpoint))
	all.WantTold(t, 7, "endpoint.deleted")
	task := rig.Must(owner.Statistics.AggregateAppStats(ctx, svix.AppUsageStatsIn{Since: aMinuteAgo(), Until: time.Now()}, nil))(t).Id
	all.WantTold(t, 8, "background_task.finished")
	some.WantTold(t, 0, "endpoint.enabled", "background_task.finished")

	want := models.EndpointCreatedEventData{AppId: app, AppUid: &uid, EndpointId: endpoint, EndpointUid: new("main")}
	same(t, text(t, rig.OnlyEvent[models.EndpointCreatedEvent](t, all, "endpoint.created").Data), text(t, want))
	same(t, text(t, rig.OnlyEvent[models.EndpointEnabledEvent](t, all, "endpoint.enabled").Data), text(t, want))
	same(t, text(t, rig.OnlyEvent[models.EndpointEnabledEvent](t, some, "endpoint.enabled").Data), text(t, want))
	same(t, text(t, rig.OnlyEvent[models.EndpointDeletedEvent](t, all, "endpoint.deleted").Data), text(t, want))
	disabled := rig.OnlyEvent[models.EndpointDisabledEvent](t, all, "endpoint.disabled").Data
	same(t, text(t, disabled), text(t, models.EndpointDisabledEventData{
		AppId: app, AppUid: &uid, EndpointId: endpoint, EndpointUid: new("main"), Trigger: new(models.ENDPOINTDISABLEDTRIGGER_MANUAL),
	}))
	finished := rig.OnlyEvent[models.BackgroundTaskFinishedEvent](t, all, "background_task.finished").Data
	if finished.TaskId != task || finished.Status != models.BACKGROUNDTASKSTATUS_FINISHED || finished.Task != models.BACKGROUNDTASKTYPE_APPLICATION_STATS {
		t.Errorf("the task is told as %+v", finished)
	}
	// The stranger's own event is sent after all of them, and must be the first that the stranger gets.
	rig.Must(stranger.Endpoint.Create(ctx, stranger.NewApplication(t), svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	others.WantTold(t, 0, "endpoint.created")
	if got := rig.OnlyEvent[models.EndpointCreatedEvent](t, others, "endpoint.created").Data; got.EndpointId == endpoint || got.AppUid != nil {
		t.Errorf("another organisation is told %+v", got)
	}
}

// text returns a value as JSON, which shows what the SDK's pointers point to rather than addresses.
func text(t testing.TB, v any) string {
	t.Helper()
	return string(rig.Must(json.Marshal(v))(t))
}

// TestOperationalWebhooksAreRetried checks that a failed operational webhook is retried like any other.
func TestOperationalWebhooksAreRetried(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	r := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.Watch(t, c)
	rig.Must(c.Endpoint.Create(t.Context(), c.NewApplication(t), svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	r.WantTold(t, 0, "endpoint.created", "endpoint.created")
	if arrivals := r.All(); arrivals[0].ID != arrivals[1].ID {
		t.Errorf("it came as %s and as %s", arrivals[0].ID, arrivals[1].ID)
	}
}

func TestOperationalWebhooksTellOfMessagesThatKeepFailing(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=50ms,50ms,50ms,50ms,50ms")
	owner := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	watcher := rig.NewReceiver(t, nil)
	watcher.Watch(t, owner, "message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered", "endpoint.disabled")
	app := owner.NewApplication(t)
	endpointOf := func(answer func(http.ResponseWriter, *http.Request, rig.Arrival), channel string) string {
		return rig.NewReceiver(t, answer).NewEndpointLike(t, owner, app, svix.EndpointIn{Channels: []string{channel}})
	}
	failing := endpointOf(rig.AnswerStatus(500), "failing")
	recovering := endpointOf(func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth <= 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}, "recovering")
	gone := endpointOf(rig.AnswerStatus(http.StatusGone), "gone")
	send := func(channel string) string {
		in := svix.MessageIn{EventType: "e2e.message", EventId: new(channel), Channels: []string{channel}, Payload: map[string]any{}}
		return rig.Must(owner.Message.Create(t.Context(), app, in, nil))(t).Id
	}

	id := send("failing")
	watcher.WantTold(t, 0, "message.attempt.failing", "message.attempt.exhausted")
	attempts := owner.AwaitAttempts(t, app, id, 6)
	told := rig.OnlyEvent[models.MessageAttemptFailingEvent](t, watcher, "message.attempt.failing").Data
	same(t, text(t, told), text(t, models.MessageAttemptFailingEventData{
		AppId: app, MsgId: id, MsgEventId: new("failing"), EndpointId: failing,
		LastAttempt: models.MessageAttemptFailedData{Id: attempts[3].Id, ResponseStatusCode: 500, Timestamp: attempts[3].Timestamp},
	}))
	exhausted := rig.OnlyEvent[models.MessageAttemptExhaustedEvent](t, watcher, "message.attempt.exhausted").Data
	if exhausted.LastAttempt.Id != attempts[5].Id {
		t.Errorf("%+v", exhausted)
	}

	id = send("recovering")
	watcher.WantTold(t, 2, "message.attempt.failing", "message.attempt.recovered")
	attempts = owner.AwaitAttempts(t, app, id, 5)
	recovered := rig.OnlyEvent[models.MessageAttemptRecoveredEvent](t, watcher, "message.attempt.recovered").Data
	if recovered.MsgId != id || recovered.EndpointId != recovering || recovered.LastAttempt.Id != attempts[4].Id {
		t.Errorf("%+v", recovered)
	}

	send("gone")
	watcher.WantTold(t, 4, "endpoint.disabled")
	disabled := rig.OnlyEvent[models.EndpointDisabledEvent](t, watcher, "endpoint.disabled").Data
	if disabled.EndpointId != gone || disabled.FailSince == nil || *disabled.Trigger != models.ENDPOINTDISABLEDTRIGGER_AUTOMATIC {
		t.Errorf("%+v", disabled)
	}
}

// TestOperationalWebhooksTellOfMessagesThatWereExpunged expunges the payload before the retry is due.
func TestOperationalWebhooksTellOfMessagesThatWereExpunged(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=2s")
	owner := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	watcher := rig.NewReceiver(t, nil)
	watcher.Watch(t, owner, "message.attempt.exhausted")
	app := owner.NewApplication(t)
	endpoint := rig.NewReceiver(t, rig.AnswerStatus(500)).NewEndpoint(t, owner, app)
	id := owner.SendMessage(t, app)
	last := owner.AwaitAttempts(t, app, id, 1)[0]
	rig.NoError(t, owner.Message.ExpungeContent(t.Context(), app, id))
	watcher.WantTold(t, 0, "message.attempt.exhausted")
	told := rig.OnlyEvent[models.MessageAttemptExhaustedEvent](t, watcher, "message.attempt.exhausted").Data
	if told.MsgId != id || told.EndpointId != endpoint || told.LastAttempt.Id != last.Id || told.LastAttempt.ResponseStatusCode != 500 {
		t.Errorf("%+v", told)
	}
	p.Stop(t)
	line := `"msg":"delivery dropped; nothing left to send","reason":"payload expunged"`
	if log := p.Stdout.String(); strings.Count(log, line) != 1 {
		t.Errorf("want one line with %s: %s", line, rig.Tail(log))
	}
}

// TestOperationalWebhooksOfOneSubjectKeepTheirOrder has the watcher refuse each message's first webhook until long
// after the last attempt at the message has failed, so that the second webhook has to wait for a retry of the first.
func TestOperationalWebhooksOfOneSubjectKeepTheirOrder(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=5ms,5ms,5ms,5ms,2s", "POSTRIDER_CIRCUIT_FAILURES=0")
	owner := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	app := owner.NewApplication(t)
	rig.NewReceiver(t, rig.AnswerStatus(500)).NewEndpoint(t, owner, app)
	watcher := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if bytes.Contains(a.Body, []byte("message.attempt.failing")) && a.Nth <= 5 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	watcher.Watch(t, owner, "message.attempt.failing", "message.attempt.exhausted")
	ids := []string{owner.SendMessage(t, app), owner.SendMessage(t, app)}
	const each = 6 + 1
	rig.Await(t, func() string {
		if types := watcher.EventTypes(t); len(types) < len(ids)*each {
			return fmt.Sprintf("got %v", types)
		}
		return ""
	})
	got := map[string][]string{}
	for _, a := range watcher.All() {
		var event struct {
			Type string
			Data struct{ MsgID string }
		}
		if err := json.Unmarshal(a.Body, &event); err != nil {
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
