package core

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Queue is one of the queues of an endpoint. Claims go from one to the next.
type Queue struct {
	EndpointID EndpointID
	Kind       QueueKind
}

// QueueKind is what waits in a queue. The numbers are those of the database; statements have them as literals,
// for the sake of their plans, and name each in a comment.
type QueueKind int16

const (
	QueueFirst   QueueKind = 0 // first attempts, and what was asked for by hand
	QueueRetry   QueueKind = 1
	QueueOrdered QueueKind = 2 // what a FIFO endpoint gets in order
	QueueBehind  QueueKind = 3 // what waits for another delivery of its lane, and is not claimed
)

// String returns the kind's name, which statements have in comments.
func (k QueueKind) String() string {
	switch k {
	case QueueFirst:
		return "first"
	case QueueRetry:
		return "retry"
	case QueueOrdered:
		return "ordered"
	case QueueBehind:
		return "behind"
	}
	return fmt.Sprintf("queue %d", int16(k))
}

// Owed is a queue in which something is due, and what its endpoint and its application allow.
type Owed struct {
	AppID AppID
	Queue
	DueAt       time.Time // the first of what waits
	Gone        bool      // the endpoint gets nothing any more
	PausedUntil time.Time // nothing begins before, and then one attempt at a time; zero: not paused
	Pace        Pace      // the endpoint's
	AppPace     Pace      // the application's
}

// Limited tells whether something beside the worker's room bounds what may be claimed of it. Then the
// endpoint's state changes with the claim.
func (o Owed) Limited() bool { return !o.PausedUntil.IsZero() || o.Pace.Rate > 0 || o.AppPace.Rate > 0 }

// WaitUntil is when something may be claimed of it; not after now: at once.
func (o Owed) WaitUntil() time.Time {
	return slices.MaxFunc([]time.Time{o.PausedUntil, o.Pace.Until, o.AppPace.Until}, time.Time.Compare)
}

// Allotment is how much may be claimed of a queue.
type Allotment struct {
	Queue
	Most int
}

// Allot shares room out to queues that nothing else bounds. An endpoint's first attempts and retries get
// half of its share each where both wait.
func Allot(owed []Owed, perEndpoint int) []Allotment {
	queues := map[EndpointID]int{}
	for _, o := range owed {
		queues[o.EndpointID]++
	}
	allotments := make([]Allotment, len(owed))
	for i, o := range owed {
		allotments[i] = Allotment{o.Queue, max(1, perEndpoint/queues[o.EndpointID])}
		if o.Kind == QueueOrdered {
			allotments[i].Most = 1
		}
	}
	return allotments
}

// Limits are what limited endpoints and their applications allow, read under a lock.
type Limits struct {
	Endpoints    map[EndpointID]EndpointLimit
	Applications map[AppID]Pace
}

// EndpointLimit is what an endpoint allows.
type EndpointLimit struct {
	PausedUntil time.Time // zero: not paused
	Pace        Pace
}

// Allot shares out what the limits allow now, at most room altogether. What has waited longest comes
// first, so that where little is allowed everybody's turn comes. What the limits do not name, another
// process is claiming for at this moment.
func (l Limits) Allot(owed []Owed, room, perEndpoint int, now time.Time) []Allotment {
	owed = slices.SortedStableFunc(slices.Values(owed), func(a, b Owed) int { return a.DueAt.Compare(b.DueAt) })
	endpoints, apps := map[EndpointID]int{}, map[AppID]int{}
	var allotments []Allotment
	for _, o := range owed {
		most := min(room, l.endpointAllows(o, perEndpoint, now)-endpoints[o.EndpointID], l.appAllows(o, perEndpoint, now)-apps[o.AppID])
		if o.Kind == QueueOrdered {
			most = min(most, 1)
		}
		if most <= 0 {
			continue
		}
		allotments = append(allotments, Allotment{o.Queue, most})
		endpoints[o.EndpointID] += most
		apps[o.AppID] += most
		room -= most
	}
	return allotments
}

func (l Limits) endpointAllows(o Owed, most int, now time.Time) int {
	limit, ok := l.Endpoints[o.EndpointID]
	switch {
	case !ok || limit.PausedUntil.After(now):
		return 0
	case !limit.PausedUntil.IsZero():
		most = min(most, 1) // a probe
	}
	return limit.Pace.Allowed(now, most)
}

func (l Limits) appAllows(o Owed, most int, now time.Time) int {
	if o.AppPace.Rate == 0 {
		return math.MaxInt
	}
	pace, ok := l.Applications[o.AppID]
	if !ok {
		return 0
	}
	// An application's share goes to several endpoints.
	return pace.Allowed(now, int(max(int32(most), pace.Rate)))
}

// Take is the limits once the deliveries are leased. An endpoint that is being probed is paused for as
// long as the probe may take.
func (l Limits) Take(deliveries []Delivery, leasedUntil, now time.Time) {
	endpoints, apps := map[EndpointID]int{}, map[AppID]int{}
	for _, d := range deliveries {
		endpoints[d.EndpointID]++
		apps[d.AppID]++
	}
	for id, n := range endpoints {
		limit := l.Endpoints[id]
		limit.Pace = limit.Pace.Taken(now, n)
		if !limit.PausedUntil.IsZero() {
			limit.PausedUntil = leasedUntil
		}
		l.Endpoints[id] = limit
	}
	for id, n := range apps {
		if pace, ok := l.Applications[id]; ok {
			l.Applications[id] = pace.Taken(now, n)
		}
	}
}

// Claim is what came of looking for deliveries.
type Claim struct {
	Deliveries []Delivery
	Next       Queue        // where to go on; zero: the last queue was seen
	More       []EndpointID // those whose share was used up: they may have more due
	Dropped    []Dropped    // deliveries that ended because their payload is gone; there may be more
	Withdrawn  []Withdrawn  // what endpoints were owed that get nothing any more; there may be more
	WakeAt     time.Time    // when something may be claimed that may not yet; zero: nothing is known of
}

// Taken is what came of a take of fresh deliveries.
type Taken struct {
	Deliveries []Delivery
	More       bool // there may be more to take
	Busy       bool // another process was taking
}

// Ended reports whether the claim ended deliveries, so that others may have come within its reach.
func (c Claim) Ended() bool { return len(c.Dropped) > 0 || len(c.Withdrawn) > 0 }

// Dropped is a delivery that ended without the attempts its schedule had left: there was nothing to send.
type Dropped struct {
	AppID      AppID
	MessageID  MessageID
	EndpointID EndpointID
	Attempts   int // how many have failed
	Reason     DropReason
}

// DropReason is why there was nothing to send.
type DropReason string

const (
	DropExpired  DropReason = "payload expired"
	DropExpunged DropReason = "payload expunged"
)

// Withdrawn is how many deliveries ended because their endpoint was disabled or deleted.
type Withdrawn struct {
	AppID      AppID
	EndpointID EndpointID
	Deliveries int64
}

// Compare orders queues as claims go through them.
func (q Queue) Compare(other Queue) int {
	return cmp.Or(cmp.Compare(q.Kind, other.Kind), cmp.Compare(q.EndpointID, other.EndpointID))
}
