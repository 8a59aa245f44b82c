package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

// TestWorkersShareFreshMessages has two workers deliver what two APIs store while an unrelated transaction stays
// open, and kills one worker. Nothing is lost, and nothing waits for the transaction: everything arrives while it is
// still open.
func TestWorkersShareFreshMessages(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	first := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	second := rig.NewClient(t, rig.Start(t, rig.Settings(database), "api").Service(t).URL, first.Token)
	app := first.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, r *http.Request, _ rig.Arrival) {
		_ = rig.Pause(r.Context(), 10*time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	receiver.NewEndpoint(t, first, app)
	var workers []*worker
	for range 2 {
		p := rig.Start(t, rig.Settings(database, workerSettings...), "worker")
		p.AwaitReady(t)
		workers = append(workers, &worker{Process: p})
	}
	rig.Hold(t, database, rig.WriteHeld)
	lead := rig.NewLead(receiver, rig.SteadyLead)
	loads := []*rig.Load{rig.SteadyLoad(t, first, app, 1_000_000, lead), rig.SteadyLoad(t, second, app, 1_000_000, lead)}
	for _, l := range loads {
		l.Background(t)
	}
	share(t, workers, 3*rig.SteadyRate)
	workers[0].Kill()
	share(t, workers[1:], 2*rig.SteadyRate)
	p := rig.Start(t, rig.Settings(database, workerSettings...), "worker")
	p.AwaitReady(t)
	workers[0] = &worker{Process: p}
	share(t, workers, 3*rig.SteadyRate)
	var ids []string
	for _, l := range loads {
		ids = append(ids, l.Halt(t)...)
	}
	receiver.Await(t, ids...)
	awaitRows(t, database, "SELECT (count(*) = 0)::int FROM delivery", 1)
	duplicated, _ := receiver.Counts(ids)
	t.Logf("%d messages delivered, %d of them more than once", len(ids), duplicated)
	const underWay = 8 // POSTRIDER_CONCURRENCY
	if duplicated > underWay {
		t.Errorf("%d messages came more than once, want no more than the killed worker had under way", duplicated)
	}
}
