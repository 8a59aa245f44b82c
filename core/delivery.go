package core

import (
	"context"
	"time"
)

// Delivery is one message still owed to one endpoint, leased to this process, with all it takes to
// send it.
type Delivery struct {
	AppID       AppID
	MessageID   MessageID
	EndpointID  EndpointID
	Lease       int64     // the fence: a result counts only while the row still holds this number
	LeasedUntil time.Time // from then on another process may claim it
	Attempts    int       // how many have failed already

	Manual   bool       // it was asked for by hand: one attempt
	ResumeAt *time.Time // when the schedule goes on if that attempt fails; nil: it does not

	URL         string
	Secrets     []Secret // the endpoint's, and those before it whose grace period lasts
	Headers     Headers
	ContentType *string // nil: JSON
	Payload     string
}

// Trigger is what makes us attempt it.
func (d Delivery) Trigger() Trigger {
	if d.Manual {
		return TriggerManual
	}
	return TriggerScheduled
}

// Result is what came of one attempt at a delivery.
type Result struct {
	Attempt  Attempt
	Lease    int64
	Attempts int       // how many the schedule has made, this one included if it is one of them
	NextAt   time.Time // when to try again; zero: the delivery is done with, one way or the other
}

// Room is how many deliveries a process can take on now. The zero value is a process that takes
// none.
type Room struct {
	Total       int
	PerEndpoint int          // at most this many to any one endpoint, so that none fills the whole room
	Full        []EndpointID // and none to these
	LeasedUntil time.Time    // the lease that goes with them
}

// Dispatcher takes deliveries over from the statement that stored them, without a claim query. What
// it has no room for waits in the database until somebody claims it.
type Dispatcher interface {
	// Reserve sets room aside until Dispatch gives it back.
	Reserve(now time.Time) Room
	// Dispatch takes the leased deliveries that came of a reservation and frees what they left of it.
	Dispatch(room Room, deliveries []Delivery)
}

// DeliveryQueue is the deliveries in the database, as a worker sees them.
type DeliveryQueue interface {
	// DeliveryClaim leases due deliveries, as many as there is room for. It looks at endpoints in
	// the order of their ids from after on, a bounded number of them, and returns where to go on:
	// empty once it has seen the last.
	DeliveryClaim(ctx context.Context, room Room, after EndpointID, now time.Time) ([]Delivery, EndpointID, error)
	// DeliveryRecord writes down what came of an attempt. False: the lease had run out and the
	// delivery is somebody else's now; the attempt is written down all the same.
	DeliveryRecord(ctx context.Context, result Result) (bool, error)
	// DeliveryRelease gives leases back, so that others need not wait for them to run out.
	DeliveryRelease(ctx context.Context, deliveries []Delivery, now time.Time) error
}
