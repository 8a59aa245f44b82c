package e2e

import (
	"strings"
	"testing"
)

// TestDeadEndpointsKeepNobodyWaiting: endpoints that never answer are owed far more than the process has
// places for, and their attempts outlast the test. What is sent to another endpoint arrives
// meanwhile. How soon is measured by bench -scenario isolation.
func TestDeadEndpointsKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_CONCURRENCY=64", "POSTRIDER_ENDPOINT_CONCURRENCY=8",
		"POSTRIDER_REQUEST_TIMEOUT=5m", "POSTRIDER_LEASE=10m", "POSTRIDER_STOP_TIMEOUT=0s")
	c := s.tenant(t)
	app, dead := c.application(t), newReceiver(t, newGate(t).answer)
	const deadEndpoints = 20
	for range deadEndpoints {
		dead.endpoint(t, c, app)
	}
	c.batch(t, app, "", strings.Repeat(`{"eventType":"e","payload":{}},`, 99)+`{"eventType":"e","payload":{}}`)

	other, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, other)
	for range 20 {
		receiver.await(t, c.message(t, other))
	}
	if got := len(dead.all()); got < deadEndpoints {
		t.Errorf("%d attempts at the dead endpoints are under way: this proves nothing", got)
	}
}
