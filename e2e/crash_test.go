package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
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

// survived wants every accepted message to have arrived after a process was killed, and every attempt that was under way
// at that moment to have been made again. There must have been some.
func (r *receiver) survived(t testing.TB, accepted []string, underWay []arrival) {
	t.Helper()
	if len(underWay) == 0 {
		t.Fatal("nothing was under way when the process was killed: this proves nothing")
	}
	r.await(t, accepted...)
	await(t, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, a := range underWay {
			if r.times[a.id] <= a.nth {
				return fmt.Sprintf("%s was under way for the %d. time when the process was killed, and has not come again", a.id, a.nth)
			}
		}
		return ""
	})
	duplicated, strange := r.counts(accepted)
	t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered; "+
		"%d attempts were under way", len(accepted), duplicated, strange, len(underWay))
}

// The survivor sleeps until the victim is dead. So whatever the gate holds at that moment is the victim's, however long
// an attempt may take and however long a slow machine needs to start a process.
func TestKilledWorkersDeliveriesAreMadeByAnother(t *testing.T) {
	t.Parallel()
	database, gate := newDatabase(t), newGate(t)
	l := &load{client: start(t, settings(database), "api").service(t).tenant(t), messages: 1000, senders: 8}
	l.app = l.application(t)
	receiver := newReceiver(t, gate.answer)
	receiver.endpoint(t, l.client, l.app)

	survivor := start(t, settings(database, shortLeases...), "worker")
	survivor.ready(t)
	survivor.signal(t, syscall.SIGSTOP)
	victim := start(t, settings(database, shortLeases...), "worker")
	accepted := l.background(t)
	underWay := gate.awaitHeld(t, 1)
	victim.kill()
	survivor.signal(t, syscall.SIGCONT)
	gate.open()
	receiver.survived(t, accepted(), underWay)
}

func TestKilledServeLosesNothingItAccepted(t *testing.T) {
	t.Parallel()
	p, s := serve(t, shortLeases...)
	l := &load{client: s.tenant(t), messages: 100_000, senders: 8}
	l.app = l.application(t)
	gate := newGate(t)
	receiver := newReceiver(t, gate.answer)
	receiver.endpoint(t, l.client, l.app)

	l.background(t)
	// Deliveries wait in the process and more of them in the database, and attempts are under way. Those that take too long
	// fail, and there may be none for a moment, so they are looked at last.
	await(t, func() string {
		if n := len(l.ids()); n < 500 {
			return fmt.Sprintf("%d messages are accepted", n)
		}
		return ""
	})
	underWay := gate.awaitHeld(t, 1)
	p.kill()
	<-l.ended
	if l.failure == nil {
		t.Fatal("the load ended before the process was killed")
	}
	gate.open()

	ids := l.ids()
	again := start(t, p.settings(), "serve")
	receiver.survived(t, ids, underWay)

	// And the process that came up is in order.
	c := newClient(t, again.service(t).url, l.token)
	id := c.message(t, l.app)
	receiver.await(t, id)
	if slices.Contains(ids, id) {
		t.Errorf("%s was given to two messages", id)
	}
}
