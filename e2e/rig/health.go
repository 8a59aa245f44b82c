package rig

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Health is an endpoint's health as the API reports it.
type Health struct {
	Status         string
	Failures       int
	FailingSince   *time.Time
	PausedUntil    *time.Time
	DisabledReason *string
}

// EndpointHealth returns an endpoint's current health.
func (c Client) EndpointHealth(t testing.TB, app, endpoint string) Health {
	t.Helper()
	var e struct{ Health Health }
	c.Call(t, http.StatusOK, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint, "").Decode(t, &e)
	return e.Health
}

// AwaitEndpointHealth waits until an endpoint has this status.
func (c Client) AwaitEndpointHealth(t testing.TB, app, endpoint, status string) (h Health) {
	t.Helper()
	Await(t, func() string {
		if h = c.EndpointHealth(t, app, endpoint); h.Status != status {
			return fmt.Sprintf("the endpoint is %+v, want it %s", h, status)
		}
		return ""
	})
	return h
}
