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
	appPart, appLeast := core.Part(left, share)
	room := core.Room{Fresh: fresh, PerEndpoint: part, Total: left - max(least, appLeast), LeasedUntil: now.Add(d.config.Lease).Truncate(time.Microsecond)}
	room.Total = max(0, room.Total)
	if d.stopped {
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
