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

	Subject  string     // of an operational webhook: the next one of it to this endpoint waits; empty: it has none
	Ordered  bool       // the next one to this endpoint waits for it
	Failing  bool       // the endpoint's latest attempts failed, when this one was leased
	Manual   bool       // it was asked for by hand: one attempt
	ResumeAt *time.Time // when the schedule goes on if that attempt fails; nil: it does not

	URL         string
	Secrets     []Secret // the endpoint's, and those before it whose grace period lasts
	Headers     Headers
	ContentType *string // nil: JSON

	Payload      string // empty if it is large and not read yet: see DeliveryQueue.MessagePayloadGet
	PayloadBytes int

	TraceParent *string // the trace that the message is part of; nil: none
}

// LargePayload is the size in bytes above which payloads are not read with deliveries. A process holds some thousand
// deliveries, so smaller payloads take up to 16 MiB of its memory.
const LargePayload = 16 << 10

// Large reports whether the payload is to be held once for all deliveries of its message.
func (d Delivery) Large() bool { return d.PayloadBytes > LargePayload }

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

	Failing    bool      // the delivery's
	Subject    string    // the delivery's
	Gone       bool      // the endpoint said that it wants nothing any more
	PauseUntil time.Time // the endpoint asked to be left alone until then; zero: it did not
}

// Plain tells whether the result changes nothing but that the delivery is done: it succeeded, at an
// endpoint that was well, nobody is to be told, and nothing waits for it.
func (r Result) Plain() bool {
	return r.Attempt.Status == StatusSuccess && r.NextAt.IsZero() && !r.Failing && r.Subject == "" &&
		r.OperationalEventType() == ""
}

// Recorded is what became of a result.
type Recorded struct {
	Held    bool // it was taken; else the lease had run out, or the delivery is owed no more
	Resting bool // the endpoint is to be left alone: what waits for it in this process is to be given back
}

// HealthRules are when an endpoint that fails is left alone. The state is in the database, and all
// workers' results count.
type HealthRules struct {
	CircuitFailures int           // so many failures in a row open the circuit: then one attempt at a time is made, now and then; 0: never
	CircuitWait     time.Duration // how long to wait between those, at most; at first a quarter of the time that the endpoint has been failing
	DisableAfter    time.Duration // failing for so long, the endpoint is disabled; 0: never
	DisableFailures int           // but not before so many failures in a row
}

// CircuitWaitLeast is how long a circuit is open at least.
const CircuitWaitLeast = time.Second

// Room is how many deliveries a process can take on now. The zero value is a process that takes
// none.
type Room struct {
	Total       int
	PerEndpoint int          // at most this many to any one endpoint, so that none fills the whole room
	Full        []EndpointID // and none to these
	FullApps    []AppID      // nor to endpoints of these
	Fresh       bool         // it is for deliveries that were stored just now
	Read        int          // of those, if that is more than Total: what there is no room for waits
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

// DeliveryQueue is the deliveries in the database, as a worker sees them. A delivery is fresh when it is
// stored, waiting while it is due at a time of its own, and leased while a worker has it.
type DeliveryQueue interface {
	// DeliveryTake leases fresh deliveries, up to the room's total, and makes those wait that cannot be sent at
	// once. Where it reads more than there is room for, applications take turns.
	DeliveryTake(ctx context.Context, room Room, now time.Time) (Taken, error)
	// DeliveryExpire makes deliveries due whose leases ran out since it was called before, and returns how many
	// those were.
	DeliveryExpire(ctx context.Context, now time.Time) (int, error)
	// DeliverySweep makes deliveries due that DeliveryTake, DeliveryExpire and DeliveryClaim have missed, and returns
	// how many it found. It may take minutes.
	DeliverySweep(ctx context.Context, now time.Time) (int, error)
	// DeliveryClaim leases waiting deliveries that are due, as many as there is room for. It goes from queue to
	// queue from after on, a bounded number of them.
	DeliveryClaim(ctx context.Context, room Room, after Queue, now time.Time) (Claim, error)
	// MessagePayloadGet reads a payload that is to be sent. Not found: it was removed, or has expired.
	MessagePayloadGet(ctx context.Context, app AppID, id MessageID, now time.Time) (string, error)
	// DeliveryRecord writes down what came of an attempt. If the lease had run out, the attempt is
	// written down all the same.
	DeliveryRecord(ctx context.Context, result Result) (Recorded, error)
	// DeliveryRelease gives leases back, so that others need not wait for them to run out.
	DeliveryRelease(ctx context.Context, deliveries []Delivery, now time.Time) error
	// DeliveryPostpone gives a lease back and makes the delivery due at another time, as if it had never
	// been leased. If the lease had run out, it does nothing.
	DeliveryPostpone(ctx context.Context, delivery Delivery, until time.Time) error
}

// DeliveryTx changes what is owed in a unit of work.
type DeliveryTx interface {
	// DeliveryInsert makes a delivery that is due now, DeliveryResend one that is made by hand.
	DeliveryInsert(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	DeliveryResend(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	// DeliveryDropByEndpoint drops what waits for an endpoint, at most DropMost deliveries, and returns how many those
	// were. EndpointUpdate to disabled, EndpointDelete and ApplicationDelete do as much; workers drop the rest.
	DeliveryDropByEndpoint(ctx context.Context, app AppID, endpoint EndpointID) (int64, error)
}

// DropMost bounds what one unit of work drops of what is owed: a tenth of a second of work.
const DropMost = 5000
