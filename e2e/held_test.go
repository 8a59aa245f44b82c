package e2e

import (
	"fmt"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestSnapshotHeldElsewhereCostsDeliveriesNothing holds a snapshot during a steady load, as a dump or a report does.
// Deliveries made since then leave dead rows that vacuum cannot remove, and no query may read through them.
//
// Like other tests that take a minute, it is not a subtest: parallel subtests start after all other tests and would
// run on alone.
func TestSnapshotHeldElsewhereCostsDeliveriesNothing(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	deliverBeside(t, rig.SteadyRate, func(r *rig.Receiver, c rig.Client, app string) { r.NewEndpoint(t, c, app) }, rig.SnapshotHeld, rig.WriteHeld)
}

// TestSnapshotHeldElsewhereCostsThrottledDeliveriesNothing covers throttled deliveries, each of which waits until it
// is claimed.
func TestSnapshotHeldElsewhereCostsThrottledDeliveriesNothing(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	deliverBeside(t, rig.SteadyRate, func(r *rig.Receiver, c rig.Client, app string) {
		r.NewEndpointLike(t, c, app, svix.EndpointIn{ThrottleRate: new(uint16(10_000))})
	}, rig.SnapshotHeld)
}

// TestSnapshotHeldElsewhereCostsFIFODeliveriesNothing covers FIFO deliveries, which are made one at a time.
func TestSnapshotHeldElsewhereCostsFIFODeliveriesNothing(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	deliverBeside(t, rig.SteadyRate/5, func(r *rig.Receiver, c rig.Client, app string) { r.NewFIFOEndpoint(t, c, app) }, rig.SnapshotHeld)
}

func deliverBeside(t *testing.T, rate int, endpoint func(*rig.Receiver, rig.Client, string), held ...string) {
	t.Helper()
	each := 5 * rate
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	rig.Start(t, rig.Settings(database), "worker").AwaitReady(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint(receiver, c, app)

	load := rig.LoadAt(t, rate, c, app, 1_000_000, rig.NewLead(receiver, 4*rate))
	load.Background(t)
	receiver.AwaitArrivals(t, each/2)
	before := rig.MeasureCost(t, database, receiver, each)
	t.Logf("before, a delivery costs %s", before)
	for _, statements := range held {
		rig.Hold(t, database, statements)
	}
	var now rig.Cost
	for range 3 {
		now = rig.MeasureCost(t, database, receiver, each)
		t.Logf("held, a delivery costs %s", now)
	}
	rig.WantBounded(t, "at the end of the hold", before, now)
	ids := load.Halt(t)
	receiver.Await(t, ids...)
	if duplicated, strange := receiver.Counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}
}

// TestQueueVacuumedWhileEmpty makes the statistics say that there are no deliveries, as they do after a vacuum at the
// right moment. A backlog then waits for a dead endpoint, and the search for other endpoints' deliveries must not go
// through the backlog.
func TestQueueVacuumedWhileEmpty(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	deliverBesideBacklog(t, "serve")
}

func TestQueueOfWorkersVacuumedWhileEmpty(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	deliverBesideBacklog(t, "api", "worker")
}

func deliverBesideBacklog(t *testing.T, components ...string) {
	t.Helper()
	const each, backlog = 5 * rig.SteadyRate, 6
	database := rig.NewDatabase(t)
	var c rig.Client
	for i, component := range components {
		p := rig.Start(t, rig.Settings(database), component)
		if p.AwaitReady(t); i == 0 {
			c = p.Service(t).NewTenant(t)
		}
	}
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	doomed, dead := c.NewApplication(t), rig.NewReceiver(t, rig.AnswerStatus(503))
	dead.NewEndpoint(t, c, doomed)
	receiver.Await(t, c.SendMessages(t, app, 500)...)
	vacuumEmpty(t, database)

	load := rig.SteadyLoad(t, c, app, 1_000_000, rig.NewLead(receiver, rig.SteadyLead))
	load.Background(t)
	receiver.AwaitArrivals(t, 500+each/2)
	before := rig.MeasureCost(t, database, receiver, each)
	t.Logf("alone, a delivery costs %s", before)
	for range backlog {
		c.SendMessages(t, doomed, 1000)
	}
	receiver.AwaitArrivals(t, len(receiver.All())+each/2) // wait until the first attempts and their consequences are over
	now := rig.MeasureCost(t, database, receiver, each)
	var waiting int
	rig.Query(t, database, "SELECT count(*) FROM delivery", &waiting)
	rig.WantBounded(t, fmt.Sprintf("beside %d deliveries that wait", waiting), before, now)
	if waiting < backlog*900 {
		t.Errorf("%d deliveries wait for the dead endpoint, want most of %d", waiting, backlog*1000)
	}
	receiver.Await(t, load.Halt(t)...)
}

// vacuumEmpty waits until nothing is owed, and vacuums. The table keeps its pages but has no rows, and the statistics
// keep saying so.
func vacuumEmpty(t *testing.T, database string) {
	t.Helper()
	rig.Await(t, func() string {
		var owed, pages, rows int
		rig.Execute(t, database, "ALTER TABLE delivery SET (autovacuum_enabled = off)", "VACUUM (TRUNCATE false) delivery")
		rig.Query(t, database, "SELECT (SELECT count(*) FROM delivery), relpages, reltuples FROM pg_class WHERE oid = 'delivery'::regclass",
			&owed, &pages, &rows)
		if owed > 0 || pages == 0 || rows != 0 {
			return "the queue is not empty, or has no pages, or the statistics do not say so"
		}
		return ""
	})
}
