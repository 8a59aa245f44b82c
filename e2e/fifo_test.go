package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

func TestFIFOKeepsOrderAcrossWorkersFailuresAndCrashes(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app := c.NewApplication(t)
	var underWay, most atomic.Int32
	failing := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		most.Store(max(most.Load(), underWay.Add(1)))
		defer underWay.Add(-1)
		if a.Nth == 1 && (a.ID[len(a.ID)-1]%8) == 0 { // the first attempt fails for one message in eight
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	plain := rig.NewReceiver(t, nil)
	failing.NewFIFOEndpoint(t, c, app)
	plain.NewEndpoint(t, c, app)

	workers := make([]*rig.Process, 4)
	for i := range workers {
		workers[i] = rig.Start(t, rig.Settings(database, rig.ShortLeases...), "worker")
		workers[i].AwaitReady(t)
	}
	var ids []string
	for i := range 100 {
		if i == 30 || i == 60 {
			workers[i/30].Kill()
		}
		ids = append(ids, c.SendMessage(t, app))
	}
	failing.Await(t, ids...)
	plain.Await(t, ids...)
	failing.WantInOrder(t, ids)
	if n := most.Load(); n != 1 {
		t.Errorf("%d were under way at a time", n)
	}
}

func TestFIFOKeepsOrderOfBatch(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewFIFOEndpoint(t, c, app)
	ids := c.SendMessages(t, app, 50)
	receiver.Await(t, ids...)
	receiver.WantInOrder(t, ids)
}
