package core

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Queue is one of the queues of an endpoint. Claims go from one queue to the next.
type Queue struct {
	EndpointID EndpointID
	Kind       QueueKind
}

// QueueKind says which deliveries wait in a queue. The numbers are those in the database. SQL statements contain
// them as literals, which gives better plans, and name each in a comment.
type QueueKind int16

const (
	QueueFirst   QueueKind = 0 // first attempts and manual ones
	QueueRetry   QueueKind = 1
	QueueOrdered QueueKind = 2 // deliveries to a FIFO endpoint, in order
	QueueBehind  QueueKind = 3 // deliveries that wait for another one of their lane; they are not claimed
)

// String returns the kind's name, as the comments in SQL statements spell it.
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

// Owed is a queue with due deliveries, and the limits of its endpoint and application.
type Owed struct {
	AppID AppID
	Queue
	DueAt       time.Time // when the first waiting delivery is due
	Gone        bool      // the endpoint no longer receives anything
	PausedUntil time.Time // no attempt begins before that time, and then one at a time; zero: not paused
	Pace        Pace      // the endpoint's
	AppPace     Pace      // the application's
}

// Limited reports whether anything besides the worker's room bounds what may be claimed from the queue. If so, the
// endpoint's state changes with the claim.
func (o Owed) Limited() bool { return !o.PausedUntil.IsZero() || o.Pace.Rate > 0 || o.AppPace.Rate > 0 }

// WaitUntil returns when deliveries of the queue may be claimed. If it is not after now, they may be claimed at
// once.
func (o Owed) WaitUntil() time.Time {
	return slices.MaxFunc([]time.Time{o.PausedUntil, o.Pace.Until, o.AppPace.Until}, time.Time.Compare)
}

// Allotment is how many deliveries may be claimed from a queue.
type Allotment struct {
	Queue
	Most int
}

// Allot divides room among queues that have no other bound. If an endpoint has both first attempts and retries
// waiting, each gets half of its share.
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

// Limits holds what limited endpoints and their applications allow, read under a lock.
type Limits struct {
	Endpoints    map[EndpointID]EndpointLimit
	Applications map[AppID]Pace
}

// EndpointLimit is what an endpoint allows.
type EndpointLimit struct {
	PausedUntil time.Time // zero: not paused
	Pace        Pace
}

// Allot divides what the limits allow now, up to room in total. The queue that has waited longest comes first, so
// that every queue gets its turn even if little is allowed. Endpoints and applications that are missing from the
// limits get nothing: another process is claiming for them.
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
	// An application's share is divided among several endpoints.
	return pace.Allowed(now, int(max(int32(most), pace.Rate)))
}

// Take updates the limits after the deliveries are leased. An endpoint that is being probed is paused for as long as
// the probe may take.
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

// Claim is the result of a search for due deliveries.
type Claim struct {
	Deliveries []Delivery
	Next       Queue        // where to continue; zero: the last queue was reached
	More       []EndpointID // endpoints that used up their share and may have more due
	Dropped    []Dropped    // deliveries that ended because their payload is gone; there may be more
	Withdrawn  []Withdrawn  // deliveries to endpoints that no longer receive anything; there may be more
	WakeAt     time.Time    // when deliveries that must still wait may be claimed; zero: none are known
}

// Taken is the result of taking fresh deliveries.
type Taken struct {
	Deliveries []Delivery
	More       bool // there may be more to take
	Busy       bool // another process was taking
}

// Ended reports whether the claim ended deliveries, so that another claim may reach further ones.
func (c Claim) Ended() bool { return len(c.Dropped) > 0 || len(c.Withdrawn) > 0 }

// Dropped is a delivery that ended before its schedule did, because there was nothing to send.
type Dropped struct {
	AppID      AppID
	MessageID  MessageID
	EndpointID EndpointID
	Attempts   int // how many attempts have failed
	Reason     DropReason
}

// DropReason is why there was nothing to send.
type DropReason string

const (
	DropExpired  DropReason = "payload expired"
	DropExpunged DropReason = "payload expunged"
)

// Withdrawn counts the deliveries that ended because their endpoint was disabled or deleted.
type Withdrawn struct {
	AppID      AppID
	EndpointID EndpointID
	Deliveries int64
}

// Compare orders queues as claims visit them.
func (q Queue) Compare(other Queue) int {
	return cmp.Or(cmp.Compare(q.Kind, other.Kind), cmp.Compare(q.EndpointID, other.EndpointID))
}
