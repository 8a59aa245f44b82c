package delivery

import (
	"time"

	"github.com/postrider/postrider/core"
)

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

// Reserve gives fresh deliveries three quarters of the process's room. Half of what is left then is for applications
// that have nothing here: however much of others is claimed, theirs need not wait for a claim.
func (d *dispatcher) Reserve(now time.Time) core.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	whole, left := d.capacity()*3/4, d.left()
	return d.reserve(max(left-d.capacity()/4, min(left-d.capacity()/8, whole/8)), whole, true, now)
}

// reserveForClaim gives claims all of it.
func (d *dispatcher) reserveForClaim(now time.Time) core.Room {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reserve(d.left(), d.capacity(), false, now)
}

// left is how many more deliveries the process may hold.
func (d *dispatcher) left() int { return d.capacity() - d.waiting - d.active - d.reserved }

// reserve sets aside some of what is left of the whole. A lane may take a part of it while it holds no more than that,
// so that there is always a next one. What is left for those who come when others have taken their part
// is not shared out to these: the room ends where the part becomes smaller. Of the last part, half is left to statements
// that run at the same time.
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

// feed asks for a claim when what had to be left in the database now has room. Half empty, not just
// not full: a claim is worth its statement when it brings many.
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

// halfEmpty reports whether an application has at most half of what it may have now.
func (d *dispatcher) halfEmpty(t *tenant) bool {
	part, _ := core.Part(d.capacity()-d.waiting-d.active, d.capacity())
	return 2*t.load() <= part
}
