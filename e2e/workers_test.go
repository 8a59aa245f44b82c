package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

// worker is a process whose log shows what it delivered.
type worker struct {
	*rig.Process
	before int
}

// delivered returns how many deliveries the worker has made since mark.
func (w *worker) delivered() int {
	return strings.Count(w.Stdout.String(), `"msg":"delivery succeeded"`) - w.before
}

func (w *worker) mark() { w.before += w.delivered() }

// workerSettings make a worker's throughput depend on its slots rather than on the processors. The lease leaves
// deliveries many seconds to begin, so that they do not expire if the machine stalls for a moment. Deliveries of a
// killed worker wait that long, and no test needs them sooner.
var workerSettings = []string{
	"POSTRIDER_LOG_LEVEL=debug", "POSTRIDER_REQUEST_TIMEOUT=5s", "POSTRIDER_LEASE=15s", "POSTRIDER_CONCURRENCY=8",
}

// shareLeast is the minimum fraction of deliveries for each worker; a fair share would be a fourth or a fifth.
const shareLeast = 0.1

// TestWorkersShareTheLoad starts and ends workers under a load. Each worker takes its share, a stopped worker causes
// no duplicates, and a killed worker causes no more than it had in progress.
func TestWorkersShareTheLoad(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, r *http.Request, _ rig.Arrival) {
		_ = rig.Pause(r.Context(), 25*time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	receiver.NewEndpoint(t, c, app)
	var workers []*worker
	add := func() {
		p := rig.Start(t, rig.Settings(database, workerSettings...), "worker")
		p.AwaitReady(t)
		workers = append(workers, &worker{Process: p})
	}
	for range 4 {
		add()
	}
	under(t, c, app, receiver, 0, func() {
		share(t, workers, 1000)
		add()
		share(t, workers, 1000)
		workers[1].Stop(t)
		share(t, append(workers[:1:1], workers[2:]...), 500)
	})
	const underWay = 8 // POSTRIDER_CONCURRENCY
	under(t, c, app, receiver, underWay, func() {
		share(t, append(workers[:1:1], workers[2:]...), 500)
		workers[0].Kill()
		share(t, workers[2:], 500)
	})
}

// under calls do under a load. Afterwards the whole load must have arrived, with up to twice messages duplicated.
func under(t *testing.T, c rig.Client, app string, r *rig.Receiver, twice int, do func()) {
	t.Helper()
	l := &rig.Load{Client: c, App: app, Messages: 1_000_000, Senders: 8, Lead: rig.NewLead(r, 1000)}
	l.Background(t)
	do()
	ids := l.Halt(t)
	r.Await(t, ids...)
	duplicated, _ := r.Counts(ids)
	t.Logf("%d messages delivered, %d of them more than once", len(ids), duplicated)
	if duplicated > twice {
		t.Errorf("%d messages came more than once, want %d at most", duplicated, twice)
	}
}

// share waits until the workers have made n deliveries together, and fails unless each has made its share.
func share(t *testing.T, workers []*worker, n int) {
	t.Helper()
	for _, w := range workers {
		w.mark()
	}
	// On a busy machine, a worker may stall for a while.
	var parts []int
	for more := 1; more <= 4; more++ {
		if parts = partsOf(t, workers, more*n); slices.Min(parts) >= int(shareLeast*float64(more*n)) {
			t.Logf("%d workers delivered %v", len(workers), parts)
			return
		}
	}
	t.Errorf("one of %d workers made too few: %v", len(workers), parts)
}

// partsOf waits until the workers have delivered n messages since they were marked, and returns the number for each.
func partsOf(t *testing.T, workers []*worker, n int) []int {
	t.Helper()
	parts := make([]int, len(workers))
	rig.Await(t, func() string {
		sum := 0
		for i, w := range workers {
			parts[i] = w.delivered()
			sum += parts[i]
		}
		if sum < n {
			return fmt.Sprintf("%d of %d deliveries are made", sum, n)
		}
		return ""
	})
	return parts
}
