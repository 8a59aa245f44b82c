package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestListTakingLongKeepsNobodyWaiting has a hundred list requests wait for a lock in Postgres. Meanwhile, messages
// must be accepted and delivered, and other requests answered. List requests that get no connection are asked to
// retry.
func TestListTakingLongKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "serve").Service(t).NewTenant(t)
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	r.NewEndpoint(t, c, app)
	rig.Hold(t, database, "BEGIN; LOCK TABLE event_type")
	lists := c.Flood(t, "/api/v1/event-type")
	rig.Await(t, func() string {
		waiting := 0
		rig.Query(t, database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", &waiting)
		if waiting == 0 {
			return "no list waits for the lock"
		}
		return ""
	})
	for range 20 {
		r.Await(t, c.SendMessage(t, app))
	}
	r.NewEndpoint(t, c, c.NewApplication(t))
	c.Call(t, http.StatusOK, "GET", "/api/v1/health", "")
	rig.Await(t, func() string {
		if n := lists.Refused.Load(); n < 50 {
			return fmt.Sprintf("%d lists were refused, want most", n)
		}
		return ""
	})
	if n := lists.Strange.Load(); n > 0 {
		t.Errorf("%d lists were answered neither with 200 nor with 503 and Retry-After", n)
	}
}
