package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestWorkerKilledLeavesDeliveriesToAnother stops the survivor until the victim is dead. Therefore all requests at
// the gate at that moment belong to the victim, however long an attempt may take and however long a slow machine
// needs to start a process.
func TestWorkerKilledLeavesDeliveriesToAnother(t *testing.T) {
	t.Parallel()
	database, gate := rig.NewDatabase(t), rig.NewGate(t)
	l := &rig.Load{Client: rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t), Messages: 1000, Senders: 8}
	l.App = l.NewApplication(t)
	receiver := rig.NewReceiver(t, gate.Answer)
	receiver.NewEndpoint(t, l.Client, l.App)

	survivor := rig.Start(t, rig.Settings(database, rig.ShortLeases...), "worker")
	survivor.AwaitReady(t)
	survivor.Signal(t, syscall.SIGSTOP)
	victim := rig.Start(t, rig.Settings(database, rig.ShortLeases...), "worker")
	accepted := l.Background(t)
	underWay := gate.AwaitHeld(t, 1)
	victim.Kill()
	survivor.Signal(t, syscall.SIGCONT)
	gate.Open()
	receiver.WantSurvived(t, accepted(), underWay)
}

func TestServeKilledLosesNothing(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, rig.ShortLeases...)
	l := &rig.Load{Client: s.NewTenant(t), Messages: 100_000, Senders: 8}
	l.App = l.NewApplication(t)
	gate := rig.NewGate(t)
	receiver := rig.NewReceiver(t, gate.Answer)
	receiver.NewEndpoint(t, l.Client, l.App)

	l.Background(t)
	// Wait until there are deliveries in the process, more of them in the database, and attempts in progress. The
	// attempts are checked last: slow ones fail, so there may be none for a moment.
	rig.Await(t, func() string {
		if n := len(l.IDs()); n < 500 {
			return fmt.Sprintf("%d messages are accepted", n)
		}
		return ""
	})
	underWay := gate.AwaitHeld(t, 1)
	p.Kill()
	<-l.Ended
	if l.Failure == nil {
		t.Fatal("the load ended before the process was killed")
	}
	gate.Open()

	ids := l.IDs()
	again := rig.Start(t, p.Settings(), "serve")
	receiver.WantSurvived(t, ids, underWay)

	// The restarted process works normally.
	c := rig.NewClient(t, again.Service(t).URL, l.Token)
	id := c.SendMessage(t, l.App)
	receiver.Await(t, id)
	if slices.Contains(ids, id) {
		t.Errorf("%s was given to two messages", id)
	}
}
