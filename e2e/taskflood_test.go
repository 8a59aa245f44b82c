package e2e

import (
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

// TestFloodOfReplaysLeavesOthersTheirTurns: a customer begins every task that its token and the quota of endpoints allow.
// Another one's replay has a step for every few of the flood's, and not one for every round of all of them.
func TestFloodOfReplaysLeavesOthersTheirTurns(t *testing.T) {
	t.Parallel()
	const endpoints = 100
	_, s := serve(t, "POSTRIDER_ENDPOINTS_PER_APPLICATION=100")
	org := "org_" + random()
	c := newClient(t, s.url, s.token(t, org))
	app, other := c.application(t), c.application(t)
	for range 20 { // forty steps of each replay
		c.messages(t, other, 1000)
	}
	for range 8 {
		c.messages(t, app, 1000)
	}
	receiver := newReceiver(t, nil)
	endpoint := receiver.endpointLike(t, c, app, svix.EndpointIn{ThrottleRate: new(uint16(1))})
	customer := newClient(t, s.url, s.token(t, org, "--application", other))
	customer.beginAll(t, receiver, other, endpoints)

	task := must(c.Endpoint.ReplayMissing(t.Context(), app, endpoint, svix.ReplayIn{Since: time.Now().Add(-time.Hour)}, nil))(t).Id
	progress := func() (mine, theirs float64) { // steps
		return processed(must(c.BackgroundTask.Get(t.Context(), task))(t)) / 500, customer.processed(t) / 500
	}
	var mine, theirs, mineAtFirst, theirsAtFirst float64
	await(t, func() string {
		mine, theirs = progress()
		if mineAtFirst == 0 {
			mineAtFirst, theirsAtFirst = mine, theirs
		}
		if mine < 16 {
			return "the replay is not done"
		}
		return ""
	})
	if theirs == endpoints*40 {
		t.Error("the flood was over before the replay: this proves nothing")
	}
	if made := theirs - theirsAtFirst; made > endpoints/2*max(mine-mineAtFirst, 2) {
		t.Errorf("%.0f steps of the flood were made beside %.0f of the replay", made, mine-mineAtFirst)
	}
}

// beginAll begins all tasks that c, a customer, may begin at once. Replays of what is missing last: there are messages,
// and no attempts.
func (c client) beginAll(t testing.TB, r *receiver, app string, endpoints int) {
	t.Helper()
	since, ctx := time.Now().Add(-time.Hour), t.Context()
	for range endpoints {
		endpoint := r.endpointLike(t, c, app, svix.EndpointIn{Channels: []string{"none"}})
		task := must(c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: since}, nil))(t).Id
		must(c.Endpoint.Recover(ctx, app, endpoint, svix.RecoverIn{Since: since}, nil))(t)
		must(c.Endpoint.BulkReplay(ctx, app, endpoint, svix.BulkReplayIn{Since: since}, nil))(t)
		_, err := c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: since}, nil)
		if must(c.BackgroundTask.Get(ctx, task))(t).Status == models.BACKGROUNDTASKSTATUS_RUNNING {
			refused(t, err, 409, "task_running")
		}
	}
}

// processed is how many messages a customer's replays have looked at.
func (c client) processed(t testing.TB) (n float64) {
	t.Helper()
	options := svix.BackgroundTaskListOptions{Limit: new(uint64(250)), Task: new(models.BACKGROUNDTASKTYPE_ENDPOINT_REPLAY)}
	list := must(c.BackgroundTask.List(t.Context(), &options))(t)
	for i := range list.Data {
		n += processed(&list.Data[i])
	}
	return n
}

func processed(task *svix.BackgroundTaskOut) float64 {
	n, _ := task.Data["messagesProcessed"].(float64)
	return n
}

// begun begins a task of which one runs for an organisation at a time: other tests may have begun one.
func begun[T any](t testing.TB, begin func() (T, error)) (task T) {
	t.Helper()
	await(t, func() string {
		var err error
		if task, err = begin(); err == nil {
			return ""
		}
		refused(t, err, 409, "task_running")
		return err.Error()
	})
	return task
}
