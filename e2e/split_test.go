package e2e

import (
	"testing"
)

func TestAPIAndWorkersOnOneDatabaseDeliver(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	api := start(t, settings(database), "api")
	workers := []*process{start(t, settings(database), "worker"), start(t, settings(database), "worker")}
	jobs := start(t, settings(database), "jobs")
	l := &load{client: api.service(t).tenant(t), messages: 300, senders: 8}
	for _, p := range append(workers, jobs) {
		p.ready(t)
	}
	l.app = l.application(t)
	receiver := newReceiver(t, nil)
	receiver.endpoint(t, l.client, l.app)
	l.run(t.Context())
	ids := l.complete(t)
	receiver.await(t, ids...)
	for _, p := range append(workers, jobs, api) {
		p.stop(t)
	}
	if duplicated, strange := receiver.counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}
}

// What is accepted while no worker runs waits for one.
func TestWorkerDeliversWhatWaited(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	ids := []string{c.message(t, app), c.message(t, app), c.message(t, app)}
	if got := len(receiver.all()); got != 0 {
		t.Fatalf("%d webhooks arrived, and no worker runs", got)
	}
	start(t, settings(database), "worker")
	receiver.await(t, ids...)
}

func TestTenProcessesStartAtOnceOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	var all []*process
	for range 10 {
		all = append(all, start(t, settings(database), "api"))
	}
	for _, p := range all {
		p.service(t).tenant(t).application(t)
	}
}
