package delivery

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// dispatcher holds the deliveries leased to this process and decides which is sent next: applications
// take turns, and so do the endpoints of each; each endpoint has a bounded number under way, and so has
// the process. All of it is in memory; the leases in the database are what survives.
//
// One endpoint never has more than half of everything, and only one once three quarters are used up; see
// part. One application never has more than three quarters; see [core.Part]. That goes for what is under
// way as for what waits, and for the memory of large payloads.
//
// Fresh deliveries, handed over by the statement that stored them, may use part of its room only.
// The rest is for claims, so that what is already waiting in the database gets its turn however much
// is coming in.
type dispatcher struct {
	config  Config
	attempt func(ctx context.Context, q *queued, sent func()) bool // sent: once the endpoint is done with it
	hungry  func()                                                 // called when there is room again for what had to be left in the database

	hungryFresh func() // the same, for fresh deliveries

	attempts context.Context // of the attempts under way; cancelled to cut them off
	cutOff   context.CancelFunc

	mu       sync.Mutex
	lanes    map[core.EndpointID]*lane
	tenants  map[core.AppID]*tenant
	ready    []*tenant // those that may be able to start an attempt, in the order of their turns
	payloads *payloads
	waiting  int
	active   int
	reserved int
	starved  bool // the last claim had less room than it could have used
	missed   bool // the last fresh deliveries had
	stopped  bool
	cut      bool          // what took too long to stop was cut off
	quiet    chan struct{} // closed once stopped, and nothing is active or comes any more
	hushed   sync.Once     // closes quiet
	orphans  []core.Delivery
}

// queued is a delivery in this process.
type queued struct {
	core.Delivery
	payload *payload // the memory reserved for it; nil: none, or the payload is small
}

// capacity is how many deliveries the process holds at most: as many waiting as under way, so that an
// attempt that ends always finds the next.
func (d *dispatcher) capacity() int { return 2 * d.config.Concurrency }

func newDispatcher(config Config, attempt func(context.Context, *queued, func()) bool, hungry, hungryFresh func()) *dispatcher {
	ctx, cancel := context.WithCancel(context.Background())
	return &dispatcher{
		config: config, attempt: attempt, hungry: hungry, hungryFresh: hungryFresh, attempts: ctx, cutOff: cancel,
		lanes: map[core.EndpointID]*lane{}, tenants: map[core.AppID]*tenant{}, payloads: newPayloads(cmp.Or(config.PayloadBytes, payloadBytes)),
		quiet: make(chan struct{}),
	}
}

// Dispatch accepts deliveries and frees the room that was reserved for them.
func (d *dispatcher) Dispatch(room core.Room, deliveries []core.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reserved -= room.Total
	d.starve(room, len(deliveries) >= room.Total)
	if d.stopped {
		d.orphans = append(d.orphans, deliveries...)
		d.hush()
		return
	}
	taken := map[*lane]int{}
	for _, delivery := range deliveries {
		l := d.lane(delivery.AppID, delivery.EndpointID)
		q := &queued{Delivery: delivery}
		d.payloads.keep(q, l.waiting)
		l.waiting = append(l.waiting, q)
		d.count(l, +1, 0)
		d.enqueue(l)
		if taken[l]++; taken[l] >= room.PerEndpoint {
			l.starved = true
		}
	}
	d.start()
}

func (d *dispatcher) run(l *lane, q *queued) {
	finished := d.attempt(d.attempts, q, func() { d.leave(l, q) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if !finished {
		d.orphans = append(d.orphans, q.Delivery)
	}
	d.active--
	d.start()
	d.feed(l)
	d.hush()
}

// leave makes the attempt's place at its endpoint free, and its payload's memory. Its place in the process it
// keeps until it is written down: a process that can write nothing down soon sends nothing more.
func (d *dispatcher) leave(l *lane, q *queued) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.payloads.drop(q)
	d.count(l, 0, -1)
	d.enqueue(l)
	d.start()
	d.feed(l)
}

// rest takes away what waits for an endpoint, and returns it: it is to be left alone.
func (d *dispatcher) rest(id core.EndpointID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.lanes[id]; ok {
		return d.empty(l)
	}
	return nil
}

// recall takes away what waits for an application, or for all, and returns it.
func (d *dispatcher) recall(app core.AppID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var recalled []core.Delivery
	for _, l := range d.lanes {
		if len(l.waiting) > 0 && (app == "" || l.tenant.app == app) {
			recalled = append(recalled, d.empty(l)...)
		}
	}
	d.start() // others may have waited for the memory of these
	return recalled
}

// stop starts nothing more, waits for what is under way, cuts off what takes too long, and returns
// all deliveries whose lease this process still holds for nothing.
func (d *dispatcher) stop(timeout time.Duration) []core.Delivery {
	d.mu.Lock()
	d.stopped = true
	for _, l := range d.lanes {
		d.orphans = append(d.orphans, d.empty(l)...)
	}
	d.hush()
	d.mu.Unlock()

	cut := time.AfterFunc(timeout, d.cutShort)
	defer cut.Stop()
	<-d.quiet
	d.cutOff()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.orphans
}

// hush ends a stop once nothing is under way. Statements that were given room may still lease deliveries, which are to be
// given back as well.
func (d *dispatcher) hush() {
	if d.stopped && d.active == 0 && (d.reserved == 0 || d.cut) {
		d.hushed.Do(func() { close(d.quiet) })
	}
}

// cutShort has a stop wait for nothing but the ends of the attempts that it cuts off.
func (d *dispatcher) cutShort() {
	d.cutOff()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	d.hush()
}
