package e2e

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestEndpointDeadKeepsNobodyWaiting has endpoints that never answer. They are owed far more messages than the
// process has slots for, and their attempts outlast the test. Messages to another endpoint must arrive meanwhile.
// bench -scenario isolation measures how soon.
func TestEndpointDeadKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_CONCURRENCY=64", "POSTRIDER_ENDPOINT_CONCURRENCY=8",
		"POSTRIDER_REQUEST_TIMEOUT=5m", "POSTRIDER_LEASE=10m", "POSTRIDER_STOP_TIMEOUT=0s")
	c := s.NewTenant(t)
	app, dead := c.NewApplication(t), rig.NewReceiver(t, rig.NewGate(t).Answer)
	const deadEndpoints = 20
	for range deadEndpoints {
		dead.NewEndpoint(t, c, app)
	}
	c.SendBatch(t, app, "", strings.Repeat(`{"eventType":"e","payload":{}},`, 99)+`{"eventType":"e","payload":{}}`)

	other, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, other)
	for range 20 {
		receiver.Await(t, c.SendMessage(t, other))
	}
	if got := len(dead.All()); got < deadEndpoints {
		t.Errorf("%d attempts at the dead endpoints are under way: this proves nothing", got)
	}
}
