package delivery

import (
	"time"

	"github.com/postrider/postrider/core"
)

// part returns how many deliveries an endpoint may have when left of whole are free: its maximum at first, an eighth
// of that once half of the whole is used, and one once three quarters are. This part applies until only least are
// free. So there is room for other endpoints however many are slow at the same time.
func (d *dispatcher) part(left, whole int) (part, least int) {
	switch most := d.config.EndpointConcurrency; {
	case left > whole/2:
		return most, whole / 2
	case left > whole/4:
		return max(1, most/8), whole / 4
	}
	return 1, 0
}

// Reserve reserves room for fresh deliveries, which may use three quarters of the process's capacity. Half of the
// rest is for fresh deliveries of applications that have none in this process: they need not wait for a claim,
// however many deliveries of other applications are claimed.
func (d *dispatcher) Reserve(now time.Time) core.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	whole, left := d.capacity()*3/4, d.left()
	return d.reserve(max(left-d.capacity()/4, min(left-d.capacity()/8, whole/8)), whole, true, now)
}

// reserveForClaim reserves room for a claim, which may use the whole capacity.
func (d *dispatcher) reserveForClaim(now time.Time) core.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reserve(d.left(), d.capacity(), false, now)
}

// left returns how many more deliveries the process may hold.
func (d *dispatcher) left() int { return d.capacity() - d.waiting - d.active - d.reserved }

// reserve reserves some of the room that is left of whole. A lane may take a part of it as long as it holds no more
// than that part, so that there is always a next delivery. The room ends where the part becomes smaller, so that
// lanes that have taken their part cannot take the room kept for later ones. Of the last part, half is left for
// concurrent statements.
func (d *dispatcher) reserve(left, whole int, fresh bool, now time.Time) core.Room {
	part, least := d.part(left, whole)
	appPart, appLeast := core.Part(left, whole)
	room := core.Room{Fresh: fresh, PerEndpoint: part, LeasedUntil: now.Add(d.config.Lease).Truncate(time.Microsecond)}
	if least = max(least, appLeast); least == 0 {
		least = left / 2
	}
	if room.Total = max(0, left-least); d.stopped {
		room.Total = 0
	}
	for id, t := range d.tenants {
		if t.load() > appPart {
			room.FullApps = append(room.FullApps, id)
			t.starved = true
		}
	}
	for id, l := range d.lanes {
		if l.load() > part && l.tenant.load() <= appPart {
			room.Full = append(room.Full, id)
			l.starved = true
		}
	}
	d.starve(room, room.Total == 0)
	d.reserved += room.Total
	return room
}

// starve records that there was less room than could have been used.
func (d *dispatcher) starve(room core.Room, starved bool) {
	if room.Fresh {
		d.missed = d.missed || starved
	} else {
		d.starved = d.starved || starved
	}
}

// expect makes sure that endpoints with more due deliveries are claimed for again once they have room.
func (d *dispatcher) expect(more []core.EndpointID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range more {
		l, ok := d.lanes[id]
		if !ok {
			d.hungry() // it has already finished all its deliveries
			continue
		}
		l.starved = true
		d.feed(l)
	}
}

// feed asks for a claim when there is room for deliveries that were left in the database. It waits until half of the
// room is free, because a claim is worth its statement only if it returns many.
func (d *dispatcher) feed(l *lane) {
	half := d.waiting+d.active <= d.capacity()/2
	endpoint := l.starved && l.load() <= d.config.EndpointConcurrency
	t := l.tenant
	if d.starved && half || endpoint || t.starved && d.halfEmpty(t) {
		d.starved, l.starved, t.starved = false, false, false
		d.hungry()
	}
	if d.missed && half {
		d.missed = false
		d.hungryFresh()
	}
}

// halfEmpty reports whether an application holds at most half of the deliveries that it may hold now.
func (d *dispatcher) halfEmpty(t *tenant) bool {
	part, _ := core.Part(d.capacity()-d.waiting-d.active, d.capacity())
	return 2*t.load() <= part
}
