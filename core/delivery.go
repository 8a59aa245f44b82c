package core

import (
	"context"
	"time"
)

// Delivery is one message that is due to one endpoint, leased to this process, with everything needed to send it.
type Delivery struct {
	AppID       AppID
	MessageID   MessageID
	EndpointID  EndpointID
	Lease       int64     // the fencing token: a result counts only while the row still has this number
	LeasedUntil time.Time // another process may claim it from then on
	Attempts    int       // how many attempts have failed

	Subject  string     // for an operational webhook: the endpoint's next delivery with this subject waits; empty: none
	Ordered  bool       // the endpoint's next delivery waits for this one
	Failing  bool       // the endpoint's latest attempts had failed when this delivery was leased
	Manual   bool       // requested manually: one attempt
	ResumeAt *time.Time // when the schedule continues if the manual attempt fails; nil: it does not

	URL         string
	Secrets     []Secret // the endpoint's secret, and previous ones in their grace period
	Headers     Headers
	ContentType *string // nil: JSON

	Payload      string // empty if it is large and not read yet: see DeliveryQueue.MessagePayloadGet
	PayloadBytes int

	TraceParent *string // the trace that the message is part of; nil: none
}

// LargePayload is the size in bytes above which payloads are not read with deliveries. A process holds about a
// thousand deliveries, so smaller payloads take up to 16 MiB of its memory.
const LargePayload = 16 << 10

// Large reports whether the payload is held once for all deliveries of its message.
func (d Delivery) Large() bool { return d.PayloadBytes > LargePayload }

// Trigger returns what causes the attempt.
func (d Delivery) Trigger() Trigger {
	if d.Manual {
		return TriggerManual
	}
	return TriggerScheduled
}

// Result is the result of one attempt at a delivery.
type Result struct {
	Attempt  Attempt
	Lease    int64
	Attempts int       // how many attempts the schedule has made, including this one if it was scheduled
	NextAt   time.Time // when to try again; zero: the delivery is finished, successfully or not

	Failing    bool      // the delivery's
	Subject    string    // the delivery's
	Gone       bool      // the endpoint answered that it wants no more webhooks
	PauseUntil time.Time // the endpoint asked for a pause until then; zero: it did not
}

// Plain reports whether the result does nothing but finish the delivery: it succeeded, the endpoint was healthy,
// there is no operational webhook to send, and no other delivery waits for it.
func (r Result) Plain() bool {
	return r.Attempt.Status == StatusSuccess && r.NextAt.IsZero() && !r.Failing && r.Subject == "" &&
		r.OperationalEventType() == ""
}

// Recorded is the outcome of recording a result.
type Recorded struct {
	Held    bool // the result was accepted; otherwise the lease had expired or the delivery was withdrawn
	Resting bool // leave the endpoint alone: this process must release its other deliveries to it
	Health  HealthChange
}

// HealthChange is a change of an endpoint's health that a result made; To is empty if it made none. Of the results
// that are recorded together, one has the change.
type HealthChange struct {
	To           HealthState
	FailingSince time.Time
	PausedUntil  time.Time // the next try, if the endpoint is paused
}

// HealthState is a state of an endpoint.
type HealthState string

// The states that a result can bring about.
const (
	HealthFailing   HealthState = "failing"   // its first failure since a success
	HealthPaused    HealthState = "paused"    // its circuit opened, or it asked for a pause
	HealthRecovered HealthState = "recovered" // its first success since a failure
	HealthDisabled  HealthState = "disabled"  // it failed for too long, or is gone
)

// HealthRules define when a failing endpoint is left alone. The state is in the database and counts the results of
// all workers.
type HealthRules struct {
	// CircuitFailures is how many consecutive failures open the circuit, after which single attempts are made now and
	// then; 0: never.
	CircuitFailures int
	// CircuitWait is the longest wait between those attempts. It starts at a quarter of the time that the endpoint has
	// been failing.
	CircuitWait time.Duration
	// DisableAfter is how long an endpoint fails before it is disabled; 0: it never is.
	DisableAfter time.Duration
	// DisableFailures is how many consecutive failures are also required before it is disabled.
	DisableFailures int
}

// CircuitWaitLeast is the shortest time that a circuit stays open.
const CircuitWaitLeast = time.Second

// Room is how many deliveries a process can accept now. The zero value accepts none.
type Room struct {
	Total       int
	PerEndpoint int          // at most this many to any one endpoint, so that none fills the whole room
	Full        []EndpointID // endpoints that must get none
	FullApps    []AppID      // applications whose endpoints must get none
	Fresh       bool         // the room is for deliveries that were stored just now
	Read        int          // how many of those to read, if more than Total; deliveries without room wait
	LeasedUntil time.Time    // when their leases expire
}

// Dispatcher takes over deliveries from the statement that stored them, without a claim query. Deliveries it has no
// room for wait in the database until a worker claims them.
type Dispatcher interface {
	// Reserve sets room aside until Dispatch gives it back.
	Reserve(now time.Time) Room
	// Dispatch takes the leased deliveries of a reservation and frees the rest of its room.
	Dispatch(room Room, deliveries []Delivery)
}

// DeliveryQueue is a worker's view of the deliveries in the database. A delivery is fresh when it is stored, waiting
// while it has a due time of its own, and leased while a worker has it.
type DeliveryQueue interface {
	// DeliveryTake leases fresh deliveries, up to the room's total, and marks those that cannot be sent at once as
	// waiting. If it reads more than there is room for, applications take turns.
	DeliveryTake(ctx context.Context, room Room, now time.Time) (Taken, error)
	// DeliveryExpire makes deliveries due whose leases have expired since the last call, and returns how many there
	// were.
	DeliveryExpire(ctx context.Context, now time.Time) (int, error)
	// DeliverySweep makes deliveries due that DeliveryTake, DeliveryExpire and DeliveryClaim missed, and returns how
	// many it found. It may take minutes.
	DeliverySweep(ctx context.Context, now time.Time) (int, error)
	// DeliveryClaim leases waiting deliveries that are due, as many as there is room for. It goes through a bounded
	// number of queues, continuing from after.
	DeliveryClaim(ctx context.Context, room Room, after Queue, now time.Time) (Claim, error)
	// MessagePayloadGet reads a payload that is about to be sent. It returns a not-found error if the payload was
	// removed or has expired.
	MessagePayloadGet(ctx context.Context, app AppID, id MessageID, now time.Time) (string, error)
	// DeliveryRecord records the result of an attempt. It does so even if the lease had expired.
	DeliveryRecord(ctx context.Context, result Result) (Recorded, error)
	// DeliveryRelease gives leases back, so that other workers need not wait for them to expire.
	DeliveryRelease(ctx context.Context, deliveries []Delivery, now time.Time) error
	// DeliveryPostpone gives a lease back and makes the delivery due at another time, as if it had never been leased.
	// It does nothing if the lease had expired.
	DeliveryPostpone(ctx context.Context, delivery Delivery, until time.Time) error
}

// DeliveryTx changes deliveries in a unit of work.
type DeliveryTx interface {
	// DeliveryInsert creates a delivery that is due now, and DeliveryResend creates a manual one.
	DeliveryInsert(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	DeliveryResend(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	// DeliveryDropByEndpoint drops up to DropMost waiting deliveries of an endpoint, and returns how many it dropped.
	// EndpointUpdate (to disabled), EndpointDelete and ApplicationDelete do the same; workers drop the rest.
	DeliveryDropByEndpoint(ctx context.Context, app AppID, endpoint EndpointID) (int64, error)
}

// DropMost bounds the deliveries that one unit of work drops: a tenth of a second of work.
const DropMost = 5000
