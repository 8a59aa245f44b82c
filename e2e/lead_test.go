package e2e

import (
	"fmt"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestLoadWaitsForDeliveries blocks all deliveries: the load must stop at its lead, and continue once messages
// arrive.
func TestLoadWaitsForDeliveries(t *testing.T) {
	t.Parallel()
	const most, senders = 20, 4
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	l := &rig.Load{Client: c, App: app, Messages: 1_000_000, Senders: senders, Lead: rig.NewLead(receiver, most)}
	l.Background(t)
	accepts := func(n int) {
		t.Helper()
		rig.Await(t, func() string {
			if got := len(l.IDs()); got < n {
				return fmt.Sprintf("%d of %d messages are accepted", got, n)
			}
			return ""
		})
	}
	accepts(most)
	rig.Never(t, "the load exceeds its lead", func() bool { return len(l.IDs()) >= most+senders })
	rig.Start(t, rig.Settings(database), "worker")
	accepts(10 * most)
	receiver.Await(t, l.Halt(t)...)
}
