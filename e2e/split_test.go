package e2e

import (
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

func TestAPIAndWorkersOnOneDatabaseDeliver(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	api := rig.Start(t, rig.Settings(database), "api")
	workers := []*rig.Process{rig.Start(t, rig.Settings(database), "worker"), rig.Start(t, rig.Settings(database), "worker")}
	jobs := rig.Start(t, rig.Settings(database), "jobs")
	l := &rig.Load{Client: api.Service(t).NewTenant(t), Messages: 300, Senders: 8}
	for _, p := range append(workers, jobs) {
		p.AwaitReady(t)
	}
	l.App = l.NewApplication(t)
	receiver := rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, l.Client, l.App)
	l.Run(t.Context())
	ids := l.Complete(t)
	receiver.Await(t, ids...)
	for _, p := range append(workers, jobs, api) {
		p.Stop(t)
	}
	if duplicated, strange := receiver.Counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}
}

// TestWorkerDeliversWhatWaited checks that messages accepted while no worker runs are delivered once one does.
func TestWorkerDeliversWhatWaited(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	ids := []string{c.SendMessage(t, app), c.SendMessage(t, app), c.SendMessage(t, app)}
	if got := len(receiver.All()); got != 0 {
		t.Fatalf("%d webhooks arrived, and no worker runs", got)
	}
	rig.Start(t, rig.Settings(database), "worker")
	receiver.Await(t, ids...)
}

func TestStartOfTenProcessesOnEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := rig.NewEmptyDatabase(t)
	var all []*rig.Process
	for range 10 {
		all = append(all, rig.Start(t, rig.Settings(database), "api"))
	}
	for _, p := range all {
		p.Service(t).NewTenant(t).NewApplication(t)
	}
}
