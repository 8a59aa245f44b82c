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
)

// finished waits for the end of a background task, which must be good, and returns what came of it.
func (c client) finished(t testing.TB, id string) map[string]any {
	t.Helper()
	var task *svix.BackgroundTaskOut
	await(t, func() string {
		task = must(c.BackgroundTask.Get(t.Context(), id))(t)
		if task.Status == models.BACKGROUNDTASKSTATUS_RUNNING {
			return fmt.Sprintf("%s %s runs: %v", task.Task, id, task.Data)
		}
		return ""
	})
	if task.Status != models.BACKGROUNDTASKSTATUS_FINISHED {
		t.Fatalf("%s %s: %v", task.Task, task.Status, task.Data)
	}
	return task.Data
}

// sent is finished for a task that sends messages; it returns how many it sent.
func (c client) sent(t testing.TB, id string) int {
	t.Helper()
	sent, _ := c.finished(t, id)["messagesSent"].(float64)
	return int(sent)
}

// messages sends n messages in one request, and returns their ids.
func (c client) messages(t testing.TB, app string, n int) []string {
	t.Helper()
	one := `{"eventType": "e2e.message", "payload": {}}`
	ids := make([]string, n)
	for i, item := range c.batch(t, app, "", strings.TrimSuffix(strings.Repeat(one+",", n), ",")).Data {
		ids[i] = item.Message.ID
	}
	return ids
}

// switching is a receiver that answers with a status that can be changed.
func switching(t testing.TB, code int) (*receiver, *atomic.Int64) {
	t.Helper()
	answers := new(atomic.Int64)
	answers.Store(int64(code))
	return newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		w.WriteHeader(int(answers.Load()))
	}), answers
}

// failures waits until that many attempts at an endpoint have failed.
func (c client) failures(t testing.TB, app, endpoint string, n int) {
	t.Helper()
	await(t, func() string {
		stats := must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
		if stats.Fail < int64(n) || stats.Pending+stats.Sending > 0 {
			return fmt.Sprintf("%+v", *stats)
		}
		return ""
	})
}

// arrived wants each of the messages to have arrived that many times in the end, and not more often.
func (r *receiver) arrived(t testing.TB, times int, ids ...string) {
	t.Helper()
	r.awaitTimes(t, times, ids...)
	never(t, "a message arrived once more than it should", func() bool {
		for _, id := range ids {
			if len(r.of(id)) > times {
				return true
			}
		}
		return false
	})
}

const noRetries = "POSTRIDER_RETRY_SCHEDULE="

func TestRecoverDeliversWhatFailed(t *testing.T) {
	t.Parallel()
	// A 503, or twenty failures, would have the others wait, each longer than the one before.
	_, s := serve(t, noRetries, "POSTRIDER_CIRCUIT_FAILURES=0")
	c := s.tenant(t)
	app := c.application(t)
	receiver, answers := switching(t, 500)
	endpoint := receiver.endpoint(t, c, app)
	since := time.Now().Add(-time.Minute)
	failed := c.messages(t, app, 30)
	c.failures(t, app, endpoint, 30)
	answers.Store(200)
	well := c.messages(t, app, 5)
	receiver.await(t, well...)

	task := must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
	if task.Task != models.BACKGROUNDTASKTYPE_ENDPOINT_RECOVER || task.Status != models.BACKGROUNDTASKSTATUS_RUNNING {
		t.Errorf("the answer is %+v", task)
	}
	if sent := c.sent(t, task.Id); sent != 30 {
		t.Errorf("%d messages are sent, want 30", sent)
	}
	receiver.arrived(t, 2, failed...)
	receiver.arrived(t, 1, well...)
	for _, a := range c.attempts(t, app, failed[0], 2)[1:] {
		if a.Status != models.MESSAGESTATUS_SUCCESS || a.TriggerType != models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL {
			t.Errorf("the attempt is %+v", a)
		}
	}
	again := must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
	if sent := c.sent(t, again.Id); sent != 0 {
		t.Errorf("%d messages are sent once more", sent)
	}
}

func TestKilledRecoverGoesOn(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	// More than may be due to an endpoint at a time: the task waits for deliveries in its middle.
	const messages = 12_000
	limits := []string{noRetries, "POSTRIDER_REQUEST_TIMEOUT=1s", "POSTRIDER_LEASE=3s", "POSTRIDER_CIRCUIT_FAILURES=0"}
	p, s := serve(t, limits...)
	c := s.tenant(t)
	app, gate := c.application(t), newGate(t)
	var recovers atomic.Bool
	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, a arrival) {
		if !recovers.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		gate.answer(w, r, a)
	})
	endpoint := receiver.endpoint(t, c, app)
	var ids []string
	for range messages / 1000 {
		ids = append(ids, c.messages(t, app, 1000)...)
	}
	c.failures(t, app, endpoint, messages)
	recovers.Store(true)

	task := must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: time.Now().Add(-time.Hour)}, nil))(t)
	await(t, func() string {
		data := must(c.BackgroundTask.Get(t.Context(), task.Id))(t).Data
		if sent, _ := data["messagesSent"].(float64); sent == 0 {
			return fmt.Sprintf("the task is at %v", data)
		}
		return ""
	})
	p.kill()
	again := start(t, p.settings(), "serve")
	c = newClient(t, again.service(t).url, c.token)
	if got := must(c.BackgroundTask.Get(t.Context(), task.Id))(t); got.Status != models.BACKGROUNDTASKSTATUS_RUNNING {
		t.Errorf("the task was %s before the process was killed: this proves nothing", got.Status)
	}
	gate.open()
	if sent := c.sent(t, task.Id); sent != messages {
		t.Errorf("%d messages are sent, want %d", sent, messages)
	}
	receiver.awaitTimes(t, 2, ids...)
}

func TestReplayMissingDeliversWhatCameBeforeTheEndpoint(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	since := time.Now().Add(-time.Minute)
	before := c.messages(t, app, 20)
	first, second := newReceiver(t, nil), newReceiver(t, nil)
	first.endpoint(t, c, app)
	endpoint := second.endpoint(t, c, app)
	after := c.message(t, app)
	second.await(t, after)
	task := must(c.Endpoint.ReplayMissing(t.Context(), app, endpoint, svix.ReplayIn{Since: since}, nil))(t)
	if sent := c.sent(t, task.Id); sent != 20 {
		t.Errorf("%d messages are sent, want 20", sent)
	}
	second.arrived(t, 1, append(before, after)...)
	first.arrived(t, 0, before...)
}

func TestBulkReplaySendsWhatMatches(t *testing.T) {
	t.Parallel()
	_, s := serve(t, noRetries)
	c := s.tenant(t)
	app := c.application(t)
	receiver, answers := switching(t, 500)
	endpoint := receiver.endpoint(t, c, app)
	failed := c.messages(t, app, 3)
	c.failures(t, app, endpoint, 3)
	answers.Store(200)
	red := must(c.Message.Create(t.Context(), app, svix.MessageIn{
		EventType: "e2e.red", Payload: map[string]any{}, Channels: []string{"red"}, Tags: []string{"t"},
	}, nil))(t).Id
	receiver.await(t, red)
	c.attempts(t, app, red, 1)
	for _, test := range []struct {
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
		test.in.Since = time.Now().Add(-time.Hour)
		task := must(c.Endpoint.BulkReplay(t.Context(), app, endpoint, test.in, nil))(t)
		if sent := c.sent(t, task.Id); sent != test.sent {
			t.Errorf("%s: %d messages are sent, want %d", test.name, sent, test.sent)
		}
		c.failures(t, app, endpoint, 3) // nothing is under way any more
	}
	receiver.arrived(t, 2, failed...)
	receiver.arrived(t, 3, red)
}

func TestPurgeTakesPayloadsOut(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	ids := c.messages(t, app, 10)
	task := must(c.Message.ExpungeAllContents(t.Context(), app, nil))(t)
	if data := c.finished(t, task.Id); data["messagesPurged"] != 10.0 {
		t.Errorf("the task ended with %v", data)
	}
	later := c.message(t, app)
	for _, id := range ids {
		if got := must(c.Message.Get(t.Context(), app, id, nil))(t); got.Payload["expired"] != true {
			t.Errorf("the payload is still %v", got.Payload)
		}
	}
	if got := must(c.Message.Get(t.Context(), app, later, nil))(t); got.Payload["n"] == nil {
		t.Errorf("a message from after it has no payload: %v", got.Payload)
	}
}

func TestStatisticsCountByApplication(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app, idle := c.application(t), c.application(t)
	receiver := newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	receiver.endpoint(t, c, app)
	for _, id := range c.messages(t, app, 4) {
		c.attempts(t, app, id, 2)
	}
	in := svix.AppUsageStatsIn{
		Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), AppIds: []string{app, idle, "no-such"},
	}
	usage := begun(t, func() (*svix.AppUsageStatsOut, error) { return c.Statistics.AggregateAppStats(t.Context(), in, nil) })
	if len(usage.UnresolvedAppIds) != 1 || usage.UnresolvedAppIds[0] != "no-such" {
		t.Errorf("unresolved: %q", usage.UnresolvedAppIds)
	}
	counted := fmt.Sprint(c.finished(t, usage.Id)["appStats"])
	for id, want := range map[string]int{app: 8, idle: 0} {
		if line := fmt.Sprintf("map[appId:%s appUid:<nil> messageDestinations:%d]", id, want); !strings.Contains(counted, line) {
			t.Errorf("got %s, want %s in it", counted, line)
		}
	}
	in.AppIds = []string{"no-such"}
	_, err := c.Statistics.AggregateAppStats(t.Context(), in, nil)
	refused(t, err, 422, "")

	got := fmt.Sprint(c.finished(t, c.aggregate(t))["event_types"])
	for _, line := range []string{
		"appId:" + app + " explicitlySubscribedEventTypes:[] hasCatchAllEndpoint:true",
		"appId:" + idle + " explicitlySubscribedEventTypes:[] hasCatchAllEndpoint:false",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("got %s, want %s in it", got, line)
		}
	}
}

func TestTasksAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	s, org := shared(t), "org_"+random()
	c := newClient(t, s.url, s.token(t, org))
	app, other := c.application(t), c.application(t)
	endpoint := newReceiver(t, nil).endpoint(t, c, app)
	var ids []string
	for range 3 {
		task := must(c.Endpoint.Recover(t.Context(), app, endpoint, svix.RecoverIn{Since: time.Now()}, nil))(t)
		ids = append(ids, task.Id)
		c.finished(t, task.Id)
	}
	options := svix.BackgroundTaskListOptions{Limit: new(uint64(2)), Status: new(models.BACKGROUNDTASKSTATUS_FINISHED)}
	first := must(c.BackgroundTask.List(t.Context(), &options))(t)
	options.Iterator = first.Iterator
	second := must(c.BackgroundTask.List(t.Context(), &options))(t)
	if len(first.Data) != 2 || first.Data[0].Id != ids[2] || first.Data[1].Id != ids[1] || first.Done || second.Data[0].Id != ids[0] {
		t.Errorf("listed %+v, then %+v", first, second)
	}
	options = svix.BackgroundTaskListOptions{Task: new(models.BACKGROUNDTASKTYPE_APPLICATION_STATS)}
	if got := must(c.BackgroundTask.List(t.Context(), &options))(t); len(got.Data) != 0 {
		t.Errorf("listed %+v of another kind", got.Data)
	}
	for of, want := range map[string]int{app: 3, other: 0} {
		customer := newClient(t, s.url, s.token(t, org, "--application", of))
		if got := must(customer.BackgroundTask.List(t.Context(), nil))(t); len(got.Data) != want {
			t.Errorf("an application lists %d tasks, want %d", len(got.Data), want)
		}
	}
}

// aggregate begins a task of the organisation.
func (c client) aggregate(t testing.TB) string {
	t.Helper()
	return begun(t, func() (*svix.AggregateEventTypesOut, error) { return c.Statistics.AggregateEventTypes(t.Context()) }).Id
}

func aMinuteAgo() time.Time { return time.Now().Add(-time.Minute) }

var taskMethods = map[string]method{
	"BackgroundTask.List": func(t *testing.T, w walk) {
		task := w.aggregate(t)
		has(t, must(w.BackgroundTask.List(t.Context(), nil))(t).Data, task, func(b svix.BackgroundTaskOut) string { return b.Id })
	},
	"BackgroundTask.Get": func(t *testing.T, w walk) {
		task := w.aggregate(t)
		same(t, must(w.BackgroundTask.Get(t.Context(), task))(t).Task, models.BACKGROUNDTASKTYPE_EVENT_TYPE_AGGREGATE)
	},
	"Statistics.AggregateAppStats": func(t *testing.T, w walk) {
		in := svix.AppUsageStatsIn{Since: aMinuteAgo(), Until: time.Now().Add(time.Minute), AppIds: []string{w.app}}
		task := begun(t, func() (*svix.AppUsageStatsOut, error) { return w.Statistics.AggregateAppStats(t.Context(), in, nil) })
		stats := w.finished(t, task.Id)["appStats"].([]any)
		same(t, stats[0].(map[string]any)["appId"].(string), w.app)
	},
	"Statistics.AggregateEventTypes": func(t *testing.T, w walk) {
		data := w.finished(t, w.aggregate(t))
		has(t, data["event_types"].([]any), w.app, func(line any) string { return line.(map[string]any)["appId"].(string) })
	},
	"Endpoint.Recover": func(t *testing.T, w walk) {
		task := must(w.Endpoint.Recover(t.Context(), w.app, w.endpoint, svix.RecoverIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.sent(t, task.Id), 0)
	},
	"Endpoint.ReplayMissing": func(t *testing.T, w walk) {
		app := w.application(t)
		message, r := w.client.message(t, app), newReceiver(t, nil)
		task := must(w.Endpoint.ReplayMissing(t.Context(), app, r.endpoint(t, w.client, app), svix.ReplayIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.sent(t, task.Id), 1)
		r.await(t, message)
	},
	"Endpoint.BulkReplay": func(t *testing.T, w walk) {
		app, r := w.application(t), newReceiver(t, nil)
		endpoint, message := r.endpoint(t, w.client, app), w.client.message(t, app)
		w.attempts(t, app, message, 1)
		task := must(w.Endpoint.BulkReplay(t.Context(), app, endpoint, svix.BulkReplayIn{Since: aMinuteAgo()}, nil))(t)
		same(t, w.sent(t, task.Id), 1)
		w.attempts(t, app, message, 2)
	},
	"Message.ExpungeAllContents": func(t *testing.T, w walk) {
		app := w.application(t)
		message := w.client.message(t, app)
		same(t, w.finished(t, must(w.Message.ExpungeAllContents(t.Context(), app, nil))(t).Id)["messagesPurged"].(float64), 1)
		same(t, must(w.Message.Get(t.Context(), app, message, nil))(t).Payload["expired"].(bool), true)
	},
}
