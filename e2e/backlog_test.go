package e2e

import (
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestBacklogDelaysNoOtherCustomer gives a worker a large backlog of one customer. Messages that another customer
// sends afterwards must arrive before the backlog is delivered. That includes a FIFO endpoint, whose deliveries
// always have to be claimed.
func TestBacklogDelaysNoOtherCustomer(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	endpoints, messages := rig.HostileSize(400, 1000), 50 // a round of claims takes up to 64 per endpoint
	database := rig.NewDatabase(t)
	s := rig.Start(t, rig.Settings(database), "api").Service(t)
	busy, other := s.NewTenant(t), s.NewTenant(t)
	backlog, immediate, ordered := rig.NewCounter(t, nil), rig.NewCounter(t, nil), rig.NewCounter(t, nil)

	app := busy.NewApplication(t)
	busy.NewEndpoints(t, app, endpoints, map[string]any{"url": backlog.URL})
	busy.SendMessages(t, app, messages)
	app = other.NewApplication(t)
	other.NewEndpoints(t, app, 1, map[string]any{"url": immediate.URL})
	other.NewEndpoints(t, app, 1, map[string]any{"url": ordered.URL, "fifo": true})
	other.SendMessage(t, app)

	rig.Start(t, rig.Settings(database), "worker")
	for kind, webhooks := range map[string]*rig.Counter{"immediate": immediate, "ordered": ordered} {
		webhooks.Await(t, 1, 1)
		arrived := backlog.Total()
		t.Logf("%d of %d webhooks of the backlog arrived before the %s one", arrived, endpoints*messages, kind)
		if arrived > endpoints*messages/3 { // it used to be two thirds
			t.Errorf("the %s one waited for the backlog", kind)
		}
	}
}
