package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"

	"github.com/postrider/postrider/e2e/rig"
)

// switching returns a receiver that answers with a status, and the status, which the test can change.
func switching(t testing.TB, code int) (*rig.Receiver, *atomic.Int64) {
	t.Helper()
	answers := new(atomic.Int64)
	answers.Store(int64(code))
	return rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		w.WriteHeader(int(answers.Load()))
	}), answers
}

const noRetries = "POSTRIDER_RETRY_SCHEDULE="

func TestTaskRecoverDeliversFailed(t *testing.T) {
	t.Parallel()
	// A 503, or twenty failures, would make the other deliveries wait, each longer than the one before.
	_, s := rig.Serve(t, noRetries, "POSTRIDER_CIRCUIT_FAILURES=0")
	c := s.NewTenant(t)
	app := c.NewApplication(t)
	receiver, answers := switching(t, 500)
	endpoint := receiver.NewEndpoint(t, c, app)
	since := time.Now().Add(-time.Minute)
	failed := c.SendMessages(t, app, 30)
	c.AwaitFailures(t, app, endpoint, 30)
	answers.Store(200)
	well := c.SendMessages(t, app, 5)
	receiver.Await(t, well...)

	task := rig.Must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
	if task.Task != models.BACKGROUNDTASKTYPE_ENDPOINT_RECOVER || task.Status != models.BACKGROUNDTASKSTATUS_RUNNING {
		t.Errorf("the answer is %+v", task)
	}
	if sent := c.AwaitSent(t, task.Id); sent != 30 {
		t.Errorf("%d messages are sent, want 30", sent)
	}
	receiver.AwaitExactly(t, 2, failed...)
	receiver.AwaitExactly(t, 1, well...)
	for _, a := range c.AwaitAttempts(t, app, failed[0], 2)[1:] {
		if a.Status != models.MESSAGESTATUS_SUCCESS || a.TriggerType != models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL {
			t.Errorf("the attempt is %+v", a)
		}
	}
	again := rig.Must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
	if sent := c.AwaitSent(t, again.Id); sent != 0 {
		t.Errorf("%d messages are sent once more", sent)
	}
}

func TestTaskRecoverSurvivesKill(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	// More than may be due to an endpoint at a time: midway, the task waits for deliveries.
	const messages = 12_000
	limits := []string{noRetries, "POSTRIDER_REQUEST_TIMEOUT=1s", "POSTRIDER_LEASE=3s", "POSTRIDER_CIRCUIT_FAILURES=0"}
	p, s := rig.Serve(t, limits...)
	c := s.NewTenant(t)
	app, gate := c.NewApplication(t), rig.NewGate(t)
	var recovers atomic.Bool
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, r *http.Request, a rig.Arrival) {
		if !recovers.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		gate.Answer(w, r, a)
	})
	endpoint := receiver.NewEndpoint(t, c, app)
	var ids []string
	for range messages / 1000 {
		ids = append(ids, c.SendMessages(t, app, 1000)...)
	}
	c.AwaitFailures(t, app, endpoint, messages)
	recovers.Store(true)

	task := rig.Must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: time.Now().Add(-time.Hour)}, nil))(t)
	rig.Await(t, func() string {
		data := rig.Must(c.BackgroundTask.Get(t.Context(), task.Id))(t).Data
		if sent, _ := data["messagesSent"].(float64); sent == 0 {
			return fmt.Sprintf("the task is at %v", data)
		}
		return ""
	})
	p.Kill()
	again := rig.Start(t, p.Settings(), "serve")
	c = rig.NewClient(t, again.Service(t).URL, c.Token)
	if got := rig.Must(c.BackgroundTask.Get(t.Context(), task.Id))(t); got.Status != models.BACKGROUNDTASKSTATUS_RUNNING {
		t.Errorf("the task was %s before the process was killed: this proves nothing", got.Status)
	}
	gate.Open()
	if sent := c.AwaitSent(t, task.Id); sent != messages {
		t.Errorf("%d messages are sent, want %d", sent, messages)
	}
	receiver.AwaitTimes(t, 2, ids...)
}

func TestTaskReplayMissingDeliversEarlierMessages(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	since := time.Now().Add(-time.Minute)
	before := c.SendMessages(t, app, 20)
	first, second := rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	first.NewEndpoint(t, c, app)
	endpoint := second.NewEndpoint(t, c, app)
	after := c.SendMessage(t, app)
	second.Await(t, after)
	task := rig.Must(c.Endpoint.ReplayMissing(t.Context(), app, endpoint, svix.ReplayIn{Since: since}, nil))(t)
	if sent := c.AwaitSent(t, task.Id); sent != 20 {
		t.Errorf("%d messages are sent, want 20", sent)
	}
	second.AwaitExactly(t, 1, append(before, after)...)
	first.AwaitExactly(t, 0, before...)
}

func TestTaskBulkReplaySendsMatches(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, noRetries)
	c := s.NewTenant(t)
	app := c.NewApplication(t)
	receiver, answers := switching(t, 500)
	endpoint := receiver.NewEndpoint(t, c, app)
	failed := c.SendMessages(t, app, 3)
	c.AwaitFailures(t, app, endpoint, 3)
	answers.Store(200)
	red := rig.Must(c.Message.Create(t.Context(), app, svix.MessageIn{
		EventType: "e2e.red", Payload: map[string]any{}, Channels: []string{"red"}, Tags: []string{"t"},
	}, nil))(t).Id
	receiver.Await(t, red)
	c.AwaitAttempts(t, app, red, 1)
	for _, test := range []struct { //nolint:paralleltest // Of the replays of an endpoint one runs at a time.
		name string
		in   svix.BulkReplayIn
		sent int
	}{
		{"a channel", svix.BulkReplayIn{Channel: new("red")}, 1},
		{"a tag and a type", svix.BulkReplayIn{Tag: new("t"), EventTypes: []string{"e2e.red", "x"}}, 1},
		{"another type", svix.BulkReplayIn{EventTypes: []string{"x"}}, 0},
		{"5xx that succeeded", svix.BulkReplayIn{StatusCodeClass: new(models.STATUSCODECLASS_CODE5XX), Status: new(models.MESSAGESTATUS_SUCCESS)}, 0},
		{"failed", svix.BulkReplayIn{Status: new(models.MESSAGESTATUS_FAIL)}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in.Since = time.Now().Add(-time.Hour)
			task := rig.Must(c.Endpoint.BulkReplay(t.Context(), app, endpoint, test.in, nil))(t)
			if sent := c.AwaitSent(t, task.Id); sent != test.sent {
				t.Errorf("%d messages are sent, want %d", sent, test.sent)
			}
			c.AwaitFailures(t, app, endpoint, 3) // nothing is in progress any more
		})
	}
	receiver.AwaitExactly(t, 2, failed...)
	receiver.AwaitExactly(t, 3, red)
}

func TestTaskPurgeRemovesPayloads(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	ids := c.SendMessages(t, app, 10)
	task := rig.Must(c.Message.ExpungeAllContents(t.Context(), app, nil))(t)
	if data := c.AwaitTask(t, task.Id); data["messagesPurged"] != 10.0 {
		t.Errorf("the task ended with %v", data)
	}
	later := c.SendMessage(t, app)
	for _, id := range ids {
		if got := rig.Must(c.Message.Get(t.Context(), app, id, nil))(t); got.Payload["expired"] != true {
			t.Errorf("the payload is still %v", got.Payload)
		}
	}
	if got := rig.Must(c.Message.Get(t.Context(), app, later, nil))(t); got.Payload["n"] == nil {
		t.Errorf("a message from after it has no payload: %v", got.Payload)
	}
}

func TestTaskStatisticsCountByApplication(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, idle := c.NewApplication(t), c.NewApplication(t)
	receiver := rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	receiver.NewEndpoint(t, c, app)
	for _, id := range c.SendMessages(t, app, 4) {
		c.AwaitAttempts(t, app, id, 2)
	}
	in := svix.AppUsageStatsIn{
		Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), AppIds: []string{app, idle, "no-such"},
	}
	usage := rig.BeginTask(t, func() (*svix.AppUsageStatsOut, error) { return c.Statistics.AggregateAppStats(t.Context(), in, nil) })
	if len(usage.UnresolvedAppIds) != 1 || usage.UnresolvedAppIds[0] != "no-such" {
		t.Errorf("unresolved: %q", usage.UnresolvedAppIds)
	}
	counted := fmt.Sprint(c.AwaitTask(t, usage.Id)["appStats"])
	for id, want := range map[string]int{app: 8, idle: 0} {
		if line := fmt.Sprintf("map[appId:%s appUid:<nil> messageDestinations:%d]", id, want); !strings.Contains(counted, line) {
			t.Errorf("got %s, want %s in it", counted, line)
		}
	}
	in.AppIds = []string{"no-such"}
	_, err := c.Statistics.AggregateAppStats(t.Context(), in, nil)
	rig.WantRefused(t, err, 422, "")

	got := fmt.Sprint(c.AwaitTask(t, c.BeginAggregation(t))["event_types"])
	for _, line := range []string{
		"appId:" + app + " explicitlySubscribedEventTypes:[] hasCatchAllEndpoint:true",
		"appId:" + idle + " explicitlySubscribedEventTypes:[] hasCatchAllEndpoint:false",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("got %s, want %s in it", got, line)
		}
	}
}

func TestTaskListIsNewestFirst(t *testing.T) {
	t.Parallel()
	s, org := rig.Shared(t), "org_"+rig.Random()
	c := rig.NewClient(t, s.URL, s.NewToken(t, org))
	app, other := c.NewApplication(t), c.NewApplication(t)
	endpoint := rig.NewReceiver(t, nil).NewEndpoint(t, c, app)
	var ids []string
	for range 3 {
		task := rig.Must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: time.Now()}, nil))(t)
		ids = append(ids, task.Id)
		c.AwaitTask(t, task.Id)
	}
	options := svix.BackgroundTaskListOptions{Limit: new(uint64(2)), Status: new(models.BACKGROUNDTASKSTATUS_FINISHED)}
	first := rig.Must(c.BackgroundTask.List(t.Context(), &options))(t)
	options.Iterator = first.Iterator
	second := rig.Must(c.BackgroundTask.List(t.Context(), &options))(t)
	if len(first.Data) != 2 || first.Data[0].Id != ids[2] || first.Data[1].Id != ids[1] || first.Done || second.Data[0].Id != ids[0] {
		t.Errorf("listed %+v, then %+v", first, second)
	}
	options = svix.BackgroundTaskListOptions{Task: new(models.BACKGROUNDTASKTYPE_APPLICATION_STATS)}
	if got := rig.Must(c.BackgroundTask.List(t.Context(), &options))(t); len(got.Data) != 0 {
		t.Errorf("listed %+v of another kind", got.Data)
	}
	for of, want := range map[string]int{app: 3, other: 0} {
		customer := rig.NewClient(t, s.URL, s.NewToken(t, org, "--application", of))
		if got := rig.Must(customer.BackgroundTask.List(t.Context(), nil))(t); len(got.Data) != want {
			t.Errorf("an application lists %d tasks, want %d", len(got.Data), want)
		}
	}
}

func aMinuteAgo() time.Time { return time.Now().Add(-time.Minute) }

var taskMethods = map[string]method{
	"BackgroundTask.List": func(t *testing.T, w walk) {
		task := w.BeginAggregation(t)
		has(t, rig.Must(w.BackgroundTask.List(t.Context(), nil))(t).Data, task, func(b svix.BackgroundTaskOut) string { return b.Id })
	},
	"BackgroundTask.Get": func(t *testing.T, w walk) {
		task := w.BeginAggregation(t)
		same(t, rig.Must(w.BackgroundTask.Get(t.Context(), task))(t).Task, models.BACKGROUNDTASKTYPE_EVENT_TYPE_AGGREGATE)
	},
	"Statistics.AggregateAppStats": func(t *testing.T, w walk) {
		in := svix.AppUsageStatsIn{Since: aMinuteAgo(), Until: time.Now().Add(time.Minute), AppIds: []string{w.app}}
		task := rig.BeginTask(t, func() (*svix.AppUsageStatsOut, error) { return w.Statistics.AggregateAppStats(t.Context(), in, nil) })
		stats := w.AwaitTask(t, task.Id)["appStats"].([]any)
		same(t, stats[0].(map[string]any)["appId"].(string), w.app)
	},
	"Statistics.AggregateEventTypes": func(t *testing.T, w walk) {
		data := w.AwaitTask(t, w.BeginAggregation(t))
		has(t, data["event_types"].([]any), w.app, func(line any) string { return line.(map[string]any)["appId"].(string) })
	},
	"Endpoint.Recover": func(t *testing.T, w walk) {
		task := rig.Must(w.Endpoint.Recover(t.Context(), w.app, w.endpoint, svix.RecoverIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.AwaitSent(t, task.Id), 0)
	},
	"Endpoint.ReplayMissing": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		message, r := w.SendMessage(t, app), rig.NewReceiver(t, nil)
		task := rig.Must(w.Endpoint.ReplayMissing(t.Context(), app, r.NewEndpoint(t, w.Client, app), svix.ReplayIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.AwaitSent(t, task.Id), 1)
		r.Await(t, message)
	},
	"Endpoint.BulkReplay": func(t *testing.T, w walk) {
		app, r := w.NewApplication(t), rig.NewReceiver(t, nil)
		endpoint, message := r.NewEndpoint(t, w.Client, app), w.SendMessage(t, app)
		w.AwaitAttempts(t, app, message, 1)
		task := rig.Must(w.Endpoint.BulkReplay(t.Context(), app, endpoint, svix.BulkReplayIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.AwaitSent(t, task.Id), 1)
		w.AwaitAttempts(t, app, message, 2)
	},
	"Message.ExpungeAllContents": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		message := w.SendMessage(t, app)
		same(t, w.AwaitTask(t, rig.Must(w.Message.ExpungeAllContents(t.Context(), app, nil))(t).Id)["messagesPurged"].(float64), 1)
		same(t, rig.Must(w.Message.Get(t.Context(), app, message, nil))(t).Payload["expired"].(bool), true)
	},
}
