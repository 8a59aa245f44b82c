package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// worker is a process whose log tells what it delivered.
type worker struct {
	*process
	before int
}

// delivered is how many deliveries it has made since mark.
func (w *worker) delivered() int {
	return strings.Count(w.stdout.String(), `"msg":"delivery succeeded"`) - w.before
}

func (w *worker) mark() { w.before += w.delivered() }

// workerSettings make a worker's deliveries a matter of its places, and not of the processors. The lease
// leaves them many seconds to begin: a machine that stands still for a moment must not leave what workers
// hold to their leases. What a killed worker held waits that long, and no test needs it sooner.
var workerSettings = []string{
	"POSTRIDER_LOG_LEVEL=debug", "POSTRIDER_REQUEST_TIMEOUT=5s", "POSTRIDER_LEASE=15s", "POSTRIDER_CONCURRENCY=8",
}

// shareLeast is of what is delivered, how much each worker must do at least, where a fair share would
// be a fourth or a fifth.
const shareLeast = 0.1

// TestWorkersShareTheLoad lets workers come and go under a load: each takes its part, one that is
// stopped makes nothing arrive twice, and one that is killed no more than it had under way.
func TestWorkersShareTheLoad(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	app := c.application(t)
	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ arrival) {
		_ = pause(r.Context(), 25*time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	receiver.endpoint(t, c, app)
	var workers []*worker
	add := func() {
		p := start(t, settings(database, workerSettings...), "worker")
		p.ready(t)
		workers = append(workers, &worker{process: p})
	}
	for range 4 {
		add()
	}
	under(t, c, app, receiver, 0, func() {
		share(t, workers, 1000)
		add()
		share(t, workers, 1000)
		workers[1].stop(t)
		share(t, append(workers[:1:1], workers[2:]...), 500)
	})
	const underWay = 8 // POSTRIDER_CONCURRENCY
	under(t, c, app, receiver, underWay, func() {
		share(t, append(workers[:1:1], workers[2:]...), 500)
		workers[0].kill()
		share(t, workers[2:], 500)
	})
}

// under does something under a load. Then all of the load must have arrived, and so many of it twice at
// most.
func under(t *testing.T, c client, app string, r *receiver, twice int, do func()) {
	t.Helper()
	l := &load{client: c, app: app, messages: 1_000_000, senders: 8, lead: newLead(r, 1000)}
	l.background(t)
	do()
	ids := l.halt(t)
	r.await(t, ids...)
	duplicated, _ := r.counts(ids)
	t.Logf("%d messages delivered, %d of them more than once", len(ids), duplicated)
	if duplicated > twice {
		t.Errorf("%d messages came more than once, want %d at most", duplicated, twice)
	}
}

// share waits until the workers have made so many deliveries together, and wants a part from each.
func share(t *testing.T, workers []*worker, n int) {
	t.Helper()
	for _, w := range workers {
		w.mark()
	}
	// A machine that is busy with other things may let one worker stand still for a while.
	var parts []int
	for more := 1; more <= 4; more++ {
		if parts = partsOf(t, workers, more*n); slices.Min(parts) >= int(shareLeast*float64(more*n)) {
			t.Logf("%d workers delivered %v", len(workers), parts)
			return
		}
	}
	t.Errorf("one of %d workers made too few: %v", len(workers), parts)
}

// partsOf waits until workers have delivered n messages since they were marked, and returns each one's part.
func partsOf(t *testing.T, workers []*worker, n int) []int {
	t.Helper()
	parts := make([]int, len(workers))
	await(t, func() string {
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
