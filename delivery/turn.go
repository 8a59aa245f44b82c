package delivery

import (
	"slices"

	"github.com/postrider/postrider/core"
)

// tenant is one application's deliveries in this process.
type tenant struct {
	app     core.AppID
	ready   []*lane // lanes with a delivery to start, in the order of their turns
	waiting int
	active  int
	queued  bool // it is in dispatcher.ready
	starved bool // the last reservation had no room for it
}

func (t *tenant) load() int { return t.waiting + t.active }

// lane is one endpoint's deliveries in this process.
type lane struct {
	endpoint core.EndpointID
	tenant   *tenant
	waiting  []*queued
	active   int
	ready    bool // it is in tenant.ready
	starved  bool // the last claim skipped it or took only some of its deliveries
}

func (l *lane) load() int { return len(l.waiting) + l.active }

func (d *dispatcher) lane(app core.AppID, id core.EndpointID) *lane {
	l, ok := d.lanes[id]
	if !ok {
		l = &lane{endpoint: id, tenant: d.tenant(app)}
		d.lanes[id] = l
	}
	return l
}

func (d *dispatcher) tenant(app core.AppID) *tenant {
	t, ok := d.tenants[app]
	if !ok {
		t = &tenant{app: app}
		d.tenants[app] = t
	}
	return t
}

// count adds to the numbers of waiting and active deliveries of a lane, and removes lanes and tenants that have none
// left. It does not count the active deliveries of the process, because those stay active for longer.
func (d *dispatcher) count(l *lane, waiting, active int) {
	t := l.tenant
	l.active += active
	t.active += active
	t.waiting += waiting
	d.waiting += waiting
	if l.load() == 0 {
		delete(d.lanes, l.endpoint)
	}
	if t.load() == 0 {
		delete(d.tenants, t.app)
	}
}

// enqueue gives the lane a turn after the other lanes of its application, if it can use one.
func (d *dispatcher) enqueue(l *lane) {
	if l.ready || len(l.waiting) == 0 || l.active >= d.config.EndpointConcurrency {
		return
	}
	t := l.tenant
	l.ready = true
	t.ready = append(t.ready, l)
	if !t.queued {
		t.queued = true
		d.ready = append(d.ready, t)
	}
}

// start begins attempts until there are none left to begin. Tenants and lanes whose part is already in flight, or
// that have no memory for their payload, keep their turns until there is more.
func (d *dispatcher) start() {
	for passed := 0; d.active < d.config.Concurrency && passed < len(d.ready); {
		t := d.ready[0]
		d.ready = d.ready[1:]
		switch l := d.next(t); {
		case l != nil:
			d.begin(l)
			passed = 0
		case len(t.ready) > 0:
			passed++
		}
		if t.queued = len(t.ready) > 0; t.queued {
			d.ready = append(d.ready, t)
		}
	}
}

// next returns the tenant's lane whose turn it is, or nil if no lane can start an attempt now.
func (d *dispatcher) next(t *tenant) *lane {
	left := d.config.Concurrency - d.active
	if part, _ := core.Part(left, d.config.Concurrency); t.active >= part {
		return nil
	}
	part, _ := d.part(left, d.config.Concurrency)
	for range len(t.ready) {
		l := t.ready[0]
		t.ready = t.ready[1:]
		if l.active < part && d.payloads.reserve(l.waiting[0]) {
			l.ready = false
			return l
		}
		t.ready = append(t.ready, l)
	}
	return nil
}

// begin starts the lane's next attempt.
func (d *dispatcher) begin(l *lane) {
	q := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	d.active++
	d.count(l, -1, +1)
	d.enqueue(l)
	select {
	case d.idle <- job{l, q}: // a goroutine waits for it
	default:
		go d.work(job{l, q})
	}
}

// job is an attempt to make.
type job struct {
	lane     *lane
	delivery *queued
}

// work makes attempts until the process stops. The stack of a goroutine grows several times during its first attempt, so
// it stays for further ones.
func (d *dispatcher) work(first job) {
	d.run(first.lane, first.delivery)
	for {
		select {
		case next := <-d.idle:
			d.run(next.lane, next.delivery)
		case <-d.attempts.Done():
			return
		}
	}
}

// empty removes and returns the waiting deliveries of a lane, and removes the lane if it has none in flight.
func (d *dispatcher) empty(l *lane) []core.Delivery {
	waiting := make([]core.Delivery, len(l.waiting))
	for i, q := range l.waiting {
		d.payloads.drop(q)
		waiting[i] = q.Delivery
	}
	l.waiting, l.ready = nil, false
	l.tenant.ready = slices.DeleteFunc(l.tenant.ready, func(r *lane) bool { return r == l })
	d.count(l, -len(waiting), 0)
	return waiting
}
