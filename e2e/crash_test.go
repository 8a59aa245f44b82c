package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// shortLeases make a crash be noticed soon, and shortAttempts are what allows that.
var shortLeases = []string{
	"POSTRIDER_REQUEST_TIMEOUT=1s", "POSTRIDER_LEASE=3s",
	"POSTRIDER_CONCURRENCY=16", "POSTRIDER_ENDPOINT_CONCURRENCY=8", "POSTRIDER_CIRCUIT_WAIT=1s",
	// Requests that the gate holds for longer than an attempt may take are failures. There are more
	// retries than that can use up.
	"POSTRIDER_RETRY_SCHEDULE=500ms,500ms,500ms,500ms,1s,1s,1s,1s,2s,2s,2s,2s" + strings.Repeat(",5s", 38),
}

// allArrived wants every accepted message to have arrived, and tells how many came twice: there must
// be some, those that were under way when a process was killed.
func (r *receiver) allArrived(t testing.TB, ids []string) {
	t.Helper()
	r.await(t, ids...)
	duplicated, strange := r.counts(ids)
	if duplicated == 0 {
		t.Error("nothing was under way when the process was killed: this proves nothing")
	}
	t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered",
		len(ids), duplicated, strange)
}

func TestKilledWorkersDeliveriesAreMadeByAnother(t *testing.T) {
	t.Parallel()
	database, gate := newDatabase(t), newGate(t)
	l := &load{client: start(t, settings(database), "api").service(t).tenant(t), messages: 1000, senders: 8}
	l.app = l.application(t)
	receiver := newReceiver(t, gate.answer)
	receiver.endpoint(t, l.client, l.app)

	victim := start(t, settings(database, shortLeases...), "worker")
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		l.run(t.Context())
	}()
	gate.awaitHeld(t, 8) // as many as it makes at a time
	start(t, settings(database, shortLeases...), "worker").ready(t)
	victim.kill()
	gate.open()
	<-loaded
	receiver.allArrived(t, l.complete(t))
}

func TestKilledServeLosesNothingItAccepted(t *testing.T) {
	t.Parallel()
	p, s := serve(t, shortLeases...)
	l := &load{client: s.tenant(t), messages: 100_000, senders: 8}
	l.app = l.application(t)
	gate := newGate(t)
	receiver := newReceiver(t, gate.answer)
	receiver.endpoint(t, l.client, l.app)

	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		l.run(t.Context())
	}()
	// Attempts are under way, deliveries wait in the process and more of them in the database.
	gate.awaitHeld(t, 8)
	await(t, func() string {
		if n := len(l.ids()); n < 500 {
			return fmt.Sprintf("%d messages are accepted", n)
		}
		return ""
	})
	p.kill()
	<-loaded
	if l.failure == nil {
		t.Fatal("the load ended before the process was killed")
	}
	gate.open()

	ids := l.ids()
	again := start(t, p.settings(), "serve")
	receiver.allArrived(t, ids)

	// And the process that came up is in order.
	c := newClient(t, again.service(t).url, l.token)
	id := c.message(t, l.app)
	receiver.await(t, id)
	if slices.Contains(ids, id) {
		t.Errorf("%s was given to two messages", id)
	}
}
