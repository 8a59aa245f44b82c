package rig

import (
	"fmt"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

// AwaitTask waits until a background task has finished and returns its data. It fails if the task failed.
func (c Client) AwaitTask(t testing.TB, id string) map[string]any {
	t.Helper()
	var task *svix.BackgroundTaskOut
	Await(t, func() string {
		task = Must(c.BackgroundTask.Get(t.Context(), id))(t)
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

// AwaitSent is AwaitTask for a task that sends messages. It returns how many the task sent.
func (c Client) AwaitSent(t testing.TB, id string) int {
	t.Helper()
	sent, _ := c.AwaitTask(t, id)["messagesSent"].(float64)
	return int(sent)
}

// AwaitFailures waits until n attempts at an endpoint have failed.
func (c Client) AwaitFailures(t testing.TB, app, endpoint string, n int) {
	t.Helper()
	Await(t, func() string {
		stats := Must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
		if stats.Fail < int64(n) || stats.Pending+stats.Sending > 0 {
			return fmt.Sprintf("%+v", *stats)
		}
		return ""
	})
}

// BeginAggregation starts a task of the organisation and returns its id.
func (c Client) BeginAggregation(t testing.TB) string {
	t.Helper()
	return BeginTask(t, func() (*svix.AggregateEventTypesOut, error) { return c.Statistics.AggregateEventTypes(t.Context()) }).Id
}

// BeginReplays starts all tasks that c, a customer, may run at once. Replays of missing messages take a while,
// because there are messages but no attempts.
func (c Client) BeginReplays(t testing.TB, r *Receiver, app string, endpoints int) {
	t.Helper()
	since, ctx := time.Now().Add(-time.Hour), t.Context()
	for range endpoints {
		endpoint := r.NewEndpointLike(t, c, app, svix.EndpointIn{Channels: []string{"none"}})
		task := Must(c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: since}, nil))(t).Id
		Must(c.Endpoint.Recover(ctx, app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
		Must(c.Endpoint.BulkReplay(ctx, app, endpoint, svix.BulkReplayIn{Since: since}, nil))(t)
		_, err := c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: since}, nil)
		if Must(c.BackgroundTask.Get(ctx, task))(t).Status == models.BACKGROUNDTASKSTATUS_RUNNING {
			WantRefused(t, err, 409, "task_running")
		}
	}
}

// TasksProcessed returns how many messages a customer's replays have processed.
func (c Client) TasksProcessed(t testing.TB) (n float64) {
	t.Helper()
	options := svix.BackgroundTaskListOptions{Limit: new(uint64(250)), Task: new(models.BACKGROUNDTASKTYPE_ENDPOINT_REPLAY)}
	list := Must(c.BackgroundTask.List(t.Context(), &options))(t)
	for i := range list.Data {
		n += TaskProcessed(&list.Data[i])
	}
	return n
}

// TaskProcessed returns how many messages a task has processed.
func TaskProcessed(task *svix.BackgroundTaskOut) float64 {
	n, _ := task.Data["messagesProcessed"].(float64)
	return n
}

// BeginTask starts a task of which an organisation may run only one at a time. If another one is running, BeginTask
// waits.
func BeginTask[T any](t testing.TB, begin func() (T, error)) (task T) {
	t.Helper()
	Await(t, func() string {
		var err error
		if task, err = begin(); err == nil {
			return ""
		}
		WantRefused(t, err, 409, "task_running")
		return err.Error()
	})
	return task
}
