package e2e

import (
	"net/http"
	"testing"
	"time"
)

// TestWorkersShareFreshMessages has two workers take what two APIs store while a stranger's transaction
// stays open, and kills one of them. Nothing is lost and nothing waits for the stranger: all of it
// arrives while that still holds.
func TestWorkersShareFreshMessages(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	first := start(t, settings(database), "api").service(t).tenant(t)
	second := newClient(t, start(t, settings(database), "api").service(t).url, first.token)
	app := first.application(t)
	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ arrival) {
		_ = pause(r.Context(), 10*time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	receiver.endpoint(t, first, app)
	var workers []*worker
	for range 2 {
		p := start(t, settings(database, workerSettings...), "worker")
		p.ready(t)
		workers = append(workers, &worker{process: p})
	}
	hold(t, database, writeHeld)
	lead := newLead(receiver, steadyLead)
	loads := []*load{steadyLoad(t, first, app, 1_000_000, lead), steadyLoad(t, second, app, 1_000_000, lead)}
	for _, l := range loads {
		l.background(t)
	}
	share(t, workers, 3*steadyRate)
	workers[0].kill()
	share(t, workers[1:], 2*steadyRate)
	p := start(t, settings(database, workerSettings...), "worker")
	p.ready(t)
	workers[0] = &worker{process: p}
	share(t, workers, 3*steadyRate)
	var ids []string
	for _, l := range loads {
		ids = append(ids, l.halt(t)...)
	}
	receiver.await(t, ids...)
	awaitRows(t, database, "SELECT (count(*) = 0)::int FROM delivery", 1)
	duplicated, _ := receiver.counts(ids)
	t.Logf("%d messages delivered, %d of them more than once", len(ids), duplicated)
	const underWay = 8 // POSTRIDER_CONCURRENCY
	if duplicated > underWay {
		t.Errorf("%d messages came more than once, want no more than the killed worker had under way", duplicated)
	}
}
