package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// dispatcher holds the deliveries leased to this process and decides which is sent next: endpoints
// take turns, each has a bounded number under way, and so has the process. All of it is in memory; the
// leases in the database are what survives.
//
// One endpoint never has more than half of everything, and only one once three quarters are used up; see
// part. That goes for what is under way as for what waits.
//
// Fresh deliveries, handed over by the statement that stored them, may use part of its room only.
// The rest is for claims, so that what is already waiting in the database gets its turn however much
// is coming in.
type dispatcher struct {
	config  Config
	attempt func(ctx context.Context, d core.Delivery, sent func()) bool // sent: once the endpoint is done with it
	hungry  func()                                                       // called when there is room again for what had to be left in the database

	hungryFresh func() // the same, for fresh deliveries

	attempts context.Context // of the attempts under way; cancelled to cut them off
	cutOff   context.CancelFunc

	mu       sync.Mutex
	lanes    map[core.EndpointID]*lane
	ready    []*lane // lanes that can start an attempt, in the order of their turns
	waiting  int
	active   int
	reserved int
	starved  bool // the last claim had less room than it could have used
	missed   bool // the last fresh deliveries had
	stopped  bool
	quiet    chan struct{} // closed once stopped and nothing is active
	orphans  []core.Delivery
}

// lane is one endpoint's deliveries.
type lane struct {
	endpoint core.EndpointID
	waiting  []core.Delivery
	active   int
	ready    bool // it is in dispatcher.ready
	starved  bool // the last claim passed it over, or took only part
}

func (l *lane) load() int { return len(l.waiting) + l.active }

// capacity is how many deliveries the process holds at most: as many waiting as under way, so that an
// attempt that ends always finds the next.
func (d *dispatcher) capacity() int { return 2 * d.config.Concurrency }

func newDispatcher(config Config, attempt func(context.Context, core.Delivery, func()) bool, hungry, hungryFresh func()) *dispatcher {
	ctx, cancel := context.WithCancel(context.Background())
	return &dispatcher{
		config: config, attempt: attempt, hungry: hungry, hungryFresh: hungryFresh, attempts: ctx, cutOff: cancel,
		lanes: map[core.EndpointID]*lane{}, quiet: make(chan struct{}),
	}
}

// part is how much an endpoint may have where so much is left of the whole: all that it may have at most,
// an eighth of that once half is used up, and one once three quarters are. It is so until only least is
// left. So however many endpoints are slow at once, others find a place.
func (d *dispatcher) part(left, whole int) (part, least int) {
	switch most := d.config.EndpointConcurrency; {
	case left > whole/2:
		return most, whole / 2
	case left > whole/4:
		return max(1, most/8), whole / 4
	}
	return 1, 0
}

// Reserve gives fresh deliveries three quarters of the process's room.
func (d *dispatcher) Reserve(now time.Time) core.Room { return d.reserve(d.capacity()*3/4, true, now) }

// reserveForClaim gives claims all of it.
func (d *dispatcher) reserveForClaim(now time.Time) core.Room {
	return d.reserve(d.capacity(), false, now)
}

// reserve sets aside what share has left. A lane may take a part of it while it holds no more than that,
// so that there is always a next one. What is left for those who come when others have taken their part
// is not shared out to these: the room ends where the part becomes smaller.
func (d *dispatcher) reserve(share int, fresh bool, now time.Time) core.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := share - d.waiting - d.active - d.reserved
	part, least := d.part(left, share)
	room := core.Room{Fresh: fresh, PerEndpoint: part, Total: left - least, LeasedUntil: now.Add(d.config.Lease).Truncate(time.Microsecond)}
	room.Total = max(0, room.Total)
	if d.stopped {
		room.Total = 0
	}
	for id, l := range d.lanes {
		if l.load() > room.PerEndpoint {
			room.Full = append(room.Full, id)
			l.starved = true
		}
	}
	d.starve(room, room.Total == 0)
	d.reserved += room.Total
	return room
}

// Dispatch takes deliveries over and frees their reservation.
func (d *dispatcher) Dispatch(room core.Room, deliveries []core.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reserved -= room.Total
	d.starve(room, len(deliveries) >= room.Total)
	if d.stopped {
		d.orphans = append(d.orphans, deliveries...)
		return
	}
	taken := map[*lane]int{}
	for _, delivery := range deliveries {
		l := d.lane(delivery.EndpointID)
		l.waiting = append(l.waiting, delivery)
		d.waiting++
		d.enqueue(l)
		if taken[l]++; taken[l] >= room.PerEndpoint {
			l.starved = true
		}
	}
	d.start()
}

// starve notes that there was less room than could have been used.
func (d *dispatcher) starve(room core.Room, starved bool) {
	if room.Fresh {
		d.missed = d.missed || starved
	} else {
		d.starved = d.starved || starved
	}
}

// expect has endpoints that have more due claimed for again once they have room.
func (d *dispatcher) expect(more []core.EndpointID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range more {
		l, ok := d.lanes[id]
		if !ok {
			d.hungry() // it is done with all it got
			continue
		}
		l.starved = true
		d.feed(l)
	}
}

func (d *dispatcher) lane(id core.EndpointID) *lane {
	l, ok := d.lanes[id]
	if !ok {
		l = &lane{endpoint: id}
		d.lanes[id] = l
	}
	return l
}

// enqueue gives the lane a turn, at the end of the line, if it can use one.
func (d *dispatcher) enqueue(l *lane) {
	if !l.ready && len(l.waiting) > 0 && l.active < d.config.EndpointConcurrency {
		l.ready = true
		d.ready = append(d.ready, l)
	}
}

// start begins attempts while there is anything to begin. A lane that has its part under way keeps its
// turn until there is more.
func (d *dispatcher) start() {
	for passed := 0; d.active < d.config.Concurrency && passed < len(d.ready); {
		l := d.ready[0]
		d.ready = d.ready[1:]
		if part, _ := d.part(d.config.Concurrency-d.active, d.config.Concurrency); l.active >= part {
			d.ready = append(d.ready, l)
			passed++
			continue
		}
		passed = 0
		l.ready = false
		delivery := l.waiting[0]
		l.waiting[0] = core.Delivery{} // lets go of the payload
		l.waiting = l.waiting[1:]
		d.waiting--
		l.active++
		d.active++
		d.enqueue(l)
		go d.run(l, delivery)
	}
}

func (d *dispatcher) run(l *lane, delivery core.Delivery) {
	finished := d.attempt(d.attempts, delivery, func() { d.leave(l) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if !finished {
		d.orphans = append(d.orphans, delivery)
	}
	d.active--
	d.start()
	d.feed(l)
	if d.stopped && d.active == 0 {
		close(d.quiet)
	}
}

// leave makes the attempt's place at its endpoint free. Its place in the process it keeps until it is
// written down: a process that can write nothing down soon sends nothing more.
func (d *dispatcher) leave(l *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.active--
	if l.load() == 0 {
		delete(d.lanes, l.endpoint)
	}
	d.enqueue(l)
	d.start()
	d.feed(l)
}

// rest takes away what waits for an endpoint, and returns it: it is to be left alone.
func (d *dispatcher) rest(id core.EndpointID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.lanes[id]; ok {
		return d.empty(id, l)
	}
	return nil
}

// recall takes away what waits for an application, or for all, and returns it.
func (d *dispatcher) recall(app core.AppID) []core.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	var recalled []core.Delivery
	for id, l := range d.lanes {
		if len(l.waiting) > 0 && (app == "" || l.waiting[0].AppID == app) {
			recalled = append(recalled, d.empty(id, l)...)
		}
	}
	return recalled
}

// empty takes away what waits in a lane, and the lane if it has nothing under way.
func (d *dispatcher) empty(id core.EndpointID, l *lane) []core.Delivery {
	waiting := l.waiting
	l.waiting, l.ready = nil, false
	d.ready = slices.DeleteFunc(d.ready, func(r *lane) bool { return r == l })
	d.waiting -= len(waiting)
	if l.load() == 0 {
		delete(d.lanes, id)
	}
	return waiting
}

// feed asks for a claim when what had to be left in the database now has room. Half empty, not just
// not full: a claim is worth its statement when it brings many.
func (d *dispatcher) feed(l *lane) {
	half := d.waiting+d.active <= d.capacity()/2
	endpoint := l.starved && l.load() <= d.config.EndpointConcurrency
	if d.starved && half || endpoint {
		d.starved, l.starved = false, false
		d.hungry()
	}
	if d.missed && half {
		d.missed = false
		d.hungryFresh()
	}
}

// stop starts nothing more, waits for what is under way, cuts off what takes too long, and returns
// all deliveries whose lease this process still holds for nothing.
func (d *dispatcher) stop(timeout time.Duration) []core.Delivery {
	d.mu.Lock()
	d.stopped = true
	for _, l := range d.lanes {
		d.orphans = append(d.orphans, l.waiting...)
		l.waiting = nil
	}
	d.ready, d.waiting = nil, 0
	if d.active == 0 {
		close(d.quiet)
	}
	d.mu.Unlock()

	cut := time.AfterFunc(timeout, d.cutOff)
	defer cut.Stop()
	<-d.quiet
	d.cutOff()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.orphans
}
