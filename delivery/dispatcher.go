package delivery

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// dispatcher holds the deliveries leased to this process and decides which is sent next. Applications take turns, and
// so do the endpoints of each application. The number of attempts in flight is limited per endpoint and per process.
// All of this state is in memory; only the leases in the database survive a crash.
//
// One endpoint never has more than half of the capacity, and only one delivery once three quarters are used; see
// part. One application never has more than three quarters; see [core.Part]. This applies to attempts in flight, to
// waiting deliveries, and to the memory of large payloads.
//
// Fresh deliveries, handed over by the statement that stored them, may use only part of its room. The rest is for
// claims, so that deliveries already waiting in the database get their turn under any load.
type dispatcher struct {
	config  Config
	attempt func(ctx context.Context, q *queued, sent func()) bool // calls sent once the endpoint's slot is free
	hungry  func()                                                 // called when there is room again for deliveries left in the database

	hungryFresh func() // the same, for fresh deliveries

	attempts context.Context // of the attempts in flight; cancelled to cut them off
	cutOff   context.CancelFunc

	mu       sync.Mutex
	lanes    map[core.EndpointID]*lane
	tenants  map[core.AppID]*tenant
	ready    []*tenant // tenants that may be able to start an attempt, in the order of their turns
	payloads *payloads
	waiting  int
	active   int
	reserved int
	starved  bool // the last claim had less room than it could have used
	missed   bool // the same, for the last take of fresh deliveries
	stopped  bool
	cut      bool          // attempts that took too long to finish after a stop were cut off
	idle     chan job      // received from by goroutines that have no attempt to make
	quiet    chan struct{} // closed once stopped, with nothing active and no more deliveries to come
	hushed   sync.Once     // closes quiet
	orphans  []core.Delivery
}

// queued is a delivery in this process.
type queued struct {
	core.Delivery
	payload *payload // its payload, for which memory is reserved; nil if none is, or if the payload is small
}

// capacity is the maximum number of deliveries that the process holds: as many waiting as in flight, so that there is
// always a next one when an attempt ends.
func (d *dispatcher) capacity() int { return 2 * d.config.Concurrency }

func newDispatcher(config Config, attempt func(context.Context, *queued, func()) bool, hungry, hungryFresh func()) *dispatcher {
	ctx, cancel := context.WithCancel(context.Background())
	return &dispatcher{
		config: config, attempt: attempt, hungry: hungry, hungryFresh: hungryFresh, attempts: ctx, cutOff: cancel,
		lanes: map[core.EndpointID]*lane{}, tenants: map[core.AppID]*tenant{}, payloads: newPayloads(cmp.Or(config.PayloadBytes, payloadBytes)),
		idle: make(chan job), quiet: make(chan struct{}),
	}
}

// Dispatch accepts deliveries and releases the room that was reserved for them.
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

// leave frees the attempt's slot at its endpoint and the memory of its payload. The attempt keeps its slot in the
// process until its result is recorded, so that a process that cannot record results soon stops sending.
func (d *dispatcher) leave(l *lane, q *queued) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.payloads.drop(q)
	d.count(l, 0, -1)
	d.enqueue(l)
	d.start()
	d.feed(l)
}

// rest removes and returns the deliveries that wait for an endpoint, because the endpoint is to be left alone.
func (d *dispatcher) rest(id core.EndpointID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.lanes[id]; ok {
		return d.empty(l)
	}
	return nil
}

// recall removes and returns the waiting deliveries of an application, or of all applications if app is empty.
func (d *dispatcher) recall(app core.AppID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var recalled []core.Delivery
	for _, l := range d.lanes {
		if len(l.waiting) > 0 && (app == "" || l.tenant.app == app) {
			recalled = append(recalled, d.empty(l)...)
		}
	}
	d.start() // other deliveries may have waited for the memory of these
	return recalled
}

// stop starts no more attempts, waits for those in flight, cuts off the ones that take longer than timeout, and
// returns all deliveries whose leases are to be given back.
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

// hush ends a stop once nothing is in flight. It also waits for statements that were given room, because they may
// still lease deliveries, which must be given back as well.
func (d *dispatcher) hush() {
	if d.stopped && d.active == 0 && (d.reserved == 0 || d.cut) {
		d.hushed.Do(func() { close(d.quiet) })
	}
}

// cutShort cuts off the attempts in flight; a stop then waits only for them to end.
func (d *dispatcher) cutShort() {
	d.cutOff()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	d.hush()
}
