package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// lead bounds how far loads run ahead of deliveries: their senders wait while too many messages have not
// arrived. Without it, a load that lasts as long as other things take leaves a slow machine more than the
// test can wait for. Loads to one receiver share one lead.
type lead struct {
	receiver *receiver
	most     int // messages accepted and not arrived; each sender but one may exceed it by one
	before   int // messages that had arrived at the receiver before
	accepted atomic.Int64
}

func newLead(r *receiver, most int) *lead {
	return &lead{receiver: r, most: most, before: r.distinct()}
}

func (l *lead) sent() {
	if l != nil {
		l.accepted.Add(1)
	}
}

// usedUp reports whether the next message has to wait.
func (l *lead) usedUp() bool {
	return l != nil && int(l.accepted.Load())-(l.receiver.distinct()-l.before) >= l.most
}

// TestLoadWaitsForDeliveries lets nothing be delivered: the load stops at its lead. It goes on once messages
// arrive.
func TestLoadWaitsForDeliveries(t *testing.T) {
	t.Parallel()
	const most, senders = 20, 4
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	l := &load{client: c, app: app, messages: 1_000_000, senders: senders, lead: newLead(receiver, most)}
	l.background(t)
	accepts := func(n int) {
		t.Helper()
		await(t, func() string {
			if got := len(l.ids()); got < n {
				return fmt.Sprintf("%d of %d messages are accepted", got, n)
			}
			return ""
		})
	}
	accepts(most)
	never(t, "the load exceeds its lead", func() bool { return len(l.ids()) >= most+senders })
	start(t, settings(database), "worker")
	accepts(10 * most)
	receiver.await(t, l.halt(t)...)
}
