package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// TestListsThatTakeLongKeepNobodyWaiting has a hundred lists wait for a lock in Postgres. Messages are taken and
// delivered, and other requests answered, and the lists that get no connection are asked to come back.
func TestListsThatTakeLongKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	c := start(t, settings(database), "serve").service(t).tenant(t)
	app, r := c.application(t), newReceiver(t, nil)
	r.endpoint(t, c, app)
	hold(t, database, "BEGIN; LOCK TABLE event_type")
	lists := c.flood(t, "/api/v1/event-type")
	await(t, func() string {
		waiting := 0
		query(t, database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'", &waiting)
		if waiting == 0 {
			return "no list waits for the lock"
		}
		return ""
	})
	for range 20 {
		r.await(t, c.message(t, app))
	}
	r.endpoint(t, c, c.application(t))
	c.call(t, http.StatusOK, "GET", "/api/v1/health", "")
	await(t, func() string {
		if n := lists.refused.Load(); n < 50 {
			return fmt.Sprintf("%d lists were refused, want most", n)
		}
		return ""
	})
	if n := lists.strange.Load(); n > 0 {
		t.Errorf("%d lists were answered neither with 200 nor with 503 and Retry-After", n)
	}
}

// flooded is how the requests of a flood were answered so far.
type flooded struct{ refused, strange atomic.Int64 }

// flood reads a path a hundred times at a time, until the test ends.
func (c client) flood(t testing.TB, path string) *flooded {
	t.Helper()
	return c.floodOf(t, 100, path)
}

func (c client) floodOf(t testing.TB, clients int, path string) *flooded {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f, readers := new(flooded), new(sync.WaitGroup)
	for range clients {
		readers.Go(func() {
			for ctx.Err() == nil {
				f.count(c.send(ctx, http.MethodGet, path, ""))
			}
		})
	}
	t.Cleanup(func() { cancel(); readers.Wait() })
	return f
}

func (f *flooded) count(answer response, err error) {
	switch {
	case err != nil || answer.status == http.StatusOK:
	case answer.status == http.StatusServiceUnavailable && answer.header.Get("Retry-After") != "":
		f.refused.Add(1)
	default:
		f.strange.Add(1)
	}
}
