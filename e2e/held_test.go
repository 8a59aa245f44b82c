package e2e

import (
	"fmt"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// steadyRate is how many messages a second these tests send; fewer where the machine cannot.
const steadyRate = 300

// background starts a load, and returns what waits for its end and wants all of it accepted.
func (l *load) background(t testing.TB) (ids func() []string) {
	t.Helper()
	l.ended = make(chan struct{})
	go func() {
		defer close(l.ended)
		l.run(t.Context())
	}()
	t.Cleanup(func() { l.idle.Store(true); <-l.ended })
	return func() []string {
		t.Helper()
		<-l.ended
		return l.complete(t)
	}
}

// halt ends a load in the background early, and wants all that it sent to be accepted.
func (l *load) halt(t testing.TB) (ids []string) {
	t.Helper()
	l.idle.Store(true)
	<-l.ended
	if l.failure != nil {
		t.Fatal(l.failure)
	}
	return l.ids()
}

// steadyLoad sends at the steady rate as long as its lead is not used up.
func steadyLoad(t testing.TB, c client, app string, messages int, lead *lead) *load {
	t.Helper()
	return loadAt(t, steadyRate, c, app, messages, lead)
}

// loadAt sends so many messages a second as long as its lead is not used up.
func loadAt(t testing.TB, rate int, c client, app string, messages int, lead *lead) *load {
	t.Helper()
	tick := time.NewTicker(time.Second / time.Duration(rate)) // garbage once nobody waits for it
	return &load{client: c, app: app, messages: messages, senders: 16, pace: tick.C, lead: lead}
}

// steadyLead is what steady loads may be ahead of deliveries: some seconds' worth of them.
const steadyLead = 4 * steadyRate

// TestSnapshotHeldElsewhereCostsDeliveriesNothing holds a snapshot beside a steady load, as a dump or a
// report does. What was delivered since is dead and stays, and nothing may read through it.
//
// Like others that take a minute it is no subtest: parallel subtests begin after all other tests, and
// would run on alone.
func TestSnapshotHeldElsewhereCostsDeliveriesNothing(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	deliverBeside(t, steadyRate, func(r *receiver, c client, app string) { r.endpoint(t, c, app) }, snapshotHeld, writeHeld)
}

// Throttled deliveries wait until they are claimed, each of them.
func TestSnapshotHeldElsewhereCostsThrottledDeliveriesNothing(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	deliverBeside(t, steadyRate, func(r *receiver, c client, app string) {
		r.endpointLike(t, c, app, svix.EndpointIn{ThrottleRate: new(uint16(10_000))})
	}, snapshotHeld)
}

// Those in order are made one at a time.
func TestSnapshotHeldElsewhereCostsFIFODeliveriesNothing(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	deliverBeside(t, steadyRate/5, func(r *receiver, c client, app string) { r.fifo(t, c, app) }, snapshotHeld)
}

// skipIfShort is for tests that take half a minute and more, all of it in other processes.
func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: what it tests is in other processes")
	}
}

func deliverBeside(t *testing.T, rate int, endpoint func(*receiver, client, string), held ...string) {
	t.Helper()
	const windows = 6 // one to begin with, one before, four while it is held
	each := 10 * rate
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	start(t, settings(database), "worker").ready(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	endpoint(receiver, c, app)

	loaded := loadAt(t, rate, c, app, windows*each, newLead(receiver, steadyLead)).background(t)
	receiver.awaitArrivals(t, each/2)
	before := window(t, database, receiver, each)
	t.Logf("before, a delivery costs %s", before)
	for _, statements := range held {
		hold(t, database, statements)
	}
	var now cost
	for range windows - 2 {
		now = window(t, database, receiver, each)
		t.Logf("held, a delivery costs %s", now)
	}
	bounded(t, "at the end of the hold", before, now)
	ids := loaded()
	receiver.await(t, ids...)
	if duplicated, strange := receiver.counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}
}

// TestQueueVacuumedWhileEmpty lets the statistics say that there are no deliveries at all, which a vacuum
// finds whenever it comes at the right moment. Then a backlog waits for a dead endpoint, and what others
// get must not be looked for in it.
func TestQueueVacuumedWhileEmpty(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	deliverBesideBacklog(t, "serve")
}

func TestQueueOfWorkersVacuumedWhileEmpty(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	deliverBesideBacklog(t, "api", "worker")
}

func deliverBesideBacklog(t *testing.T, components ...string) {
	t.Helper()
	const each, backlog = 8 * steadyRate, 10
	database := newDatabase(t)
	var c client
	for i, component := range components {
		p := start(t, settings(database), component)
		if p.ready(t); i == 0 {
			c = p.service(t).tenant(t)
		}
	}
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	doomed, dead := c.application(t), newReceiver(t, status(503))
	dead.endpoint(t, c, doomed)
	receiver.await(t, c.messages(t, app, 500)...)
	vacuumEmpty(t, database)

	loaded := steadyLoad(t, c, app, 4*each, newLead(receiver, steadyLead)).background(t)
	receiver.awaitArrivals(t, 500+each/2)
	before := window(t, database, receiver, each)
	t.Logf("alone, a delivery costs %s", before)
	for range backlog {
		c.messages(t, doomed, 1000)
	}
	receiver.awaitArrivals(t, len(receiver.all())+each/2) // so that the first attempts and what follows are over
	now := window(t, database, receiver, each)
	var waiting int
	query(t, database, "SELECT count(*) FROM delivery", &waiting)
	bounded(t, fmt.Sprintf("beside %d deliveries that wait", waiting), before, now)
	if waiting < backlog*900 {
		t.Errorf("%d deliveries wait for the dead endpoint, want most of %d", waiting, backlog*1000)
	}
	receiver.await(t, loaded()...)
}

// vacuumEmpty waits until nothing is owed and vacuums: the table keeps its pages and has no rows. What
// the statistics say then, stays.
func vacuumEmpty(t *testing.T, database string) {
	t.Helper()
	await(t, func() string {
		var owed, pages, rows int
		execute(t, database, "ALTER TABLE delivery SET (autovacuum_enabled = off)", "VACUUM (TRUNCATE false) delivery")
		query(t, database, "SELECT (SELECT count(*) FROM delivery), relpages, reltuples FROM pg_class WHERE oid = 'delivery'::regclass",
			&owed, &pages, &rows)
		if owed > 0 || pages == 0 || rows != 0 {
			return "the queue is not empty, or has no pages, or the statistics do not say so"
		}
		return ""
	})
}
