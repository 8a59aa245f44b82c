package store

import (
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// floorWorth is how many deliveries are claimed from a queue before looks at it begin at a floor. About that many
	// dead entries cost as much as the rest of a look.
	floorWorth = 64

	// floorMargin is how far the floor of an empty queue stays behind the present, for transactions that are slow
	// to commit. While a transaction holds a snapshot, each look rereads what was claimed in that time. For slower
	// transactions, one look every few seconds goes back further: beyond the time that a statement may take.
	floorMargin       = 250 * time.Millisecond
	floorMarginSlow   = statementTimeout + 5*time.Second
	floorSlowInterval = 5 * time.Second

	// floorSweep is how many queues one statement of a sweep looks at from the beginning.
	floorSweep = 100

	// floorCheap is how long that takes per queue when there are few dead entries.
	floorCheap = 200 * time.Microsecond
)

// floors are the points where looks into busy queues begin. Claimed deliveries leave dead entries at the beginning of
// their queue. These stay while any transaction holds a snapshot, and without a floor every look would pass all of
// them.
type floors struct {
	worth int // floorWorth; less in tests

	mu  sync.Mutex
	all []floor // sorted by queue
}

// floor is the point where looks into a queue begin.
type floor struct {
	core.Queue
	since time.Time // no waiting delivery was due before
	seq   int64     // in an ordered queue, no earlier delivery is owed
	taken int       // deliveries claimed so far; looks begin at the floor once that is worth it
	idle  bool      // nothing was claimed since the last sweep

	slowAt time.Time // when a look last began floorMarginSlow earlier
}

// begin returns the time that a look begins at.
func (l *floor) begin(now time.Time) time.Time {
	if now.Sub(l.slowAt).Abs() < floorSlowInterval {
		return l.since
	}
	l.slowAt = now
	return l.since.Add(-floorMarginSlow)
}

// queueKinds is the number of kinds of queues that claims look at; the kinds after them are not looked at.
const queueKinds = 3

// endOf returns a queue that sorts after all others of its kind, because endpoint ids begin with "ep_".
func endOf(kind core.QueueKind) core.Queue { return core.Queue{EndpointID: "~", Kind: kind} }

// endOfQueues sorts after all queues that claims look at.
var endOfQueues = endOf(queueKinds - 1)

// from returns the floors for a look that begins after the given queue, with the end of each kind of queue.
func (f *floors) from(after core.Queue, now time.Time) (p db.DeliveryOwedListAnyTenantParams) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add := func(queue core.Queue, since time.Time) {
		p.FloorEndpointIDs = append(p.FloorEndpointIDs, string(queue.EndpointID))
		p.FloorQueues = append(p.FloorQueues, int16(queue.Kind))
		p.FloorSinces = append(p.FloorSinces, since)
	}
	i := f.above(after)
	for kind := after.Kind; kind < queueKinds; kind++ {
		for ; i < len(f.all) && f.all[i].Kind == kind && len(p.FloorQueues) < claimQueues; i++ { // no look gets further
			if l := &f.all[i]; l.taken >= f.worth {
				add(l.Queue, l.begin(now))
			}
		}
		if end := endOf(kind); end != after {
			add(end, time.Time{})
		}
	}
	return p
}

// looked raises the floors of the queues that a look passed: those beyond after, up to next or, if next is zero, up
// to the end.
func (f *floors) looked(after, next core.Queue, owed []core.Owed, now time.Time) {
	due := make(map[core.Queue]time.Time, len(owed))
	for _, o := range owed {
		due[o.Queue] = o.DueAt
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	end := len(f.all)
	if next != (core.Queue{}) {
		end = f.above(next)
	}
	for i := f.above(after); i < end; i++ {
		l := &f.all[i]
		l.since = now.Add(-floorMargin)
		if at, ok := due[l.Queue]; ok && at.Before(l.since) {
			l.since = at
		}
	}
}

// took counts a delivery that was claimed from a queue. In an ordered queue, seq is the delivery's number.
func (f *floors) took(queue core.Queue, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.above(queue)
	if i == 0 || f.all[i-1].Queue != queue {
		f.all = slices.Insert(f.all, i, floor{Queue: queue})
		i++
	}
	l := &f.all[i-1]
	l.taken++
	l.seq = max(l.seq, seq)
	l.idle = false
}

// seq returns the number at which a look into an ordered queue begins.
func (f *floors) seq(queue core.Queue) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.above(queue); i > 0 && f.all[i-1].Queue == queue && f.all[i-1].taken >= f.worth {
		return f.all[i-1].seq
	}
	return 0
}

// next returns the next queues that have floors, up to floorSweep of them.
func (f *floors) next(after core.Queue) (queues []core.Queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.all[f.above(after):] {
		if len(queues) == floorSweep {
			break
		}
		queues = append(queues, l.Queue)
	}
	return queues
}

// swept lowers the floors of the given queues to the deliveries that a sweep found. If the sweep was cheap, it
// removes the floors of queues that nothing was claimed from since the previous sweep.
func (f *floors) swept(queues []core.Queue, found []db.DeliveryFirstManyAnyTenantRow, cheap bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range found {
		queue := core.Queue{EndpointID: core.EndpointID(row.EndpointID), Kind: core.QueueKind(row.Queue)}
		l := &f.all[f.above(queue)-1]
		l.seq = min(l.seq, row.Seq)
		if row.DueAt.Before(l.since) {
			l.since = row.DueAt
		}
	}
	first, end := f.above(queues[0])-1, f.above(queues[len(queues)-1])
	kept := slices.DeleteFunc(slices.Clone(f.all[first:end]), func(l floor) bool { return cheap && l.idle })
	for i := range kept {
		kept[i].idle = true
	}
	f.all = slices.Replace(f.all, first, end, kept...)
}

// above returns the index of the first floor of a queue that comes after the given one.
func (f *floors) above(queue core.Queue) int {
	i, found := slices.BinarySearchFunc(f.all, queue, func(l floor, q core.Queue) int { return l.Compare(q) })
	if found {
		i++
	}
	return i
}
