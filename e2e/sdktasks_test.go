//nolint:thelper // these functions are the tests themselves: a failure is at their own lines
package e2e

import (
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

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
