package e2e

import (
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestTaskFloodLeavesOthersTheirTurns has a customer start every task that its token and the endpoint quota allow.
// Another customer's replay must get one step for every few of the flood's, rather than one for each round of all its
// tasks.
func TestTaskFloodLeavesOthersTheirTurns(t *testing.T) {
	t.Parallel()
	const endpoints = 100
	_, s := rig.Serve(t, "POSTRIDER_ENDPOINTS_PER_APPLICATION=100")
	org := "org_" + rig.Random()
	c := rig.NewClient(t, s.URL, s.NewToken(t, org))
	app, other := c.NewApplication(t), c.NewApplication(t)
	for range 20 { // forty steps for each replay
		c.SendMessages(t, other, 1000)
	}
	for range 8 {
		c.SendMessages(t, app, 1000)
	}
	receiver := rig.NewReceiver(t, nil)
	endpoint := receiver.NewEndpointLike(t, c, app, svix.EndpointIn{ThrottleRate: new(uint16(1))})
	customer := rig.NewClient(t, s.URL, s.NewToken(t, org, "--application", other))
	customer.BeginReplays(t, receiver, other, endpoints)

	task := rig.Must(c.Endpoint.ReplayMissing(t.Context(), app, endpoint, svix.ReplayIn{Since: time.Now().Add(-time.Hour)}, nil))(t).Id
	progress := func() (mine, theirs float64) { // steps
		return rig.TaskProcessed(rig.Must(c.BackgroundTask.Get(t.Context(), task))(t)) / 500, customer.TasksProcessed(t) / 500
	}
	var mine, theirs, mineAtFirst, theirsAtFirst float64
	rig.Await(t, func() string {
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
