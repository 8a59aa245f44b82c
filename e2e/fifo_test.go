package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
)

// fifo makes the receiver an endpoint that wants its messages in order.
func (r *receiver) fifo(t testing.TB, c client, app string) {
	t.Helper()
	id := r.endpoint(t, c, app)
	c.call(t, http.StatusOK, "PATCH", "/api/v1/app/"+app+"/endpoint/"+id, `{"fifo": true}`)
}

// inOrder wants the messages to have arrived in their order: what comes after one that was answered with
// success is that one again, or the next.
func (r *receiver) inOrder(t testing.TB, ids []string) {
	t.Helper()
	at := 0
	for _, a := range r.all() {
		switch {
		case a.id == ids[at]:
		case at+1 < len(ids) && a.id == ids[at+1]:
			at++
		default:
			t.Fatalf("after %d messages %s came, and %s was the last and %s is the next", at+1, a.id, ids[at], ids[min(at+1, len(ids)-1)])
		}
	}
	if at != len(ids)-1 {
		t.Errorf("%d of %d messages came", at+1, len(ids))
	}
}

func TestFIFOKeepsOrderAcrossWorkersFailuresAndCrashes(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	app := c.application(t)
	var underWay, most atomic.Int32
	failing := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		most.Store(max(most.Load(), underWay.Add(1)))
		defer underWay.Add(-1)
		if a.nth == 1 && (a.id[len(a.id)-1]%8) == 0 { // one of eight has a first attempt that fails
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	plain := newReceiver(t, nil)
	failing.fifo(t, c, app)
	plain.endpoint(t, c, app)

	workers := make([]*process, 4)
	for i := range workers {
		workers[i] = start(t, settings(database, shortLeases...), "worker")
		workers[i].ready(t)
	}
	var ids []string
	for i := range 100 {
		if i == 30 || i == 60 {
			workers[i/30].kill()
		}
		ids = append(ids, c.message(t, app))
	}
	failing.await(t, ids...)
	plain.await(t, ids...)
	failing.inOrder(t, ids)
	if n := most.Load(); n != 1 {
		t.Errorf("%d were under way at a time", n)
	}
}

func TestFIFOKeepsTheOrderOfABatch(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.fifo(t, c, app)
	ids := c.messages(t, app, 50)
	receiver.await(t, ids...)
	receiver.inOrder(t, ids)
}
