package e2e

import (
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestContainerKilledLosesNothing runs the images as they are deployed: each component in a container of its own, on
// a network with Postgres.
func TestContainerKilledLosesNothing(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	if !rig.DemandsDocker() {
		t.Skip("building the images takes minutes on a machine that never did: set E2E_BACKEND=docker")
	}
	s := rig.NewStack(t, "api", "worker")
	gate := rig.NewGate(t)
	l := &rig.Load{Client: s.API(t).NewTenant(t), Messages: 1000, Senders: 8}
	l.App = l.NewApplication(t)
	receiver := rig.NewReceiverAt(t, "0.0.0.0:0", rig.ReceiversHost, gate.Answer)
	receiver.NewEndpoint(t, l.Client, l.App)

	survivor := s.Worker(t)
	s.Pause(t, survivor) // so that the gate holds only the victim's requests
	victim := s.Worker(t)
	accepted := l.Background(t)
	underWay := gate.AwaitHeld(t, 1)
	s.Kill(t, victim)
	s.Unpause(t, survivor)
	gate.Open()
	receiver.WantSurvived(t, accepted(), underWay)
}
