package core

import (
	"context"
	"time"
)

// Lane is the operational webhooks to one endpoint that are about one subject. They are delivered one after
// the other: each waits until the one before it has arrived or was given up. Different lanes do not wait
// for each other.
type Lane struct {
	EndpointID EndpointID
	Subject    string
}

// Sequenced is a message that takes its place in the lane of each endpoint it is owed to.
type Sequenced struct {
	AppID     AppID
	MessageID MessageID
	Subject   string
	Place     int64
}

// LaneTx is what lanes need of a unit of work.
type LaneTx interface {
	// DeliverySequenceMany puts what is owed of messages stored in this unit of work into lanes, behind what
	// is owed there already.
	DeliverySequenceMany(ctx context.Context, messages []Sequenced) error
	// DeliveryLaneList goes through lanes, a bounded number of them, and lists those whose first delivery
	// waits for nothing. next is where to go on; zero: the last lane was seen.
	DeliveryLaneList(ctx context.Context, after Lane, limit int) (waiting []Lane, next Lane, err error)
	// DeliveryFollowMany makes the first delivery of each lane due if it waits.
	DeliveryFollowMany(ctx context.Context, lanes []Lane, now time.Time) error
}

// inLanes are the messages that events became, those whose events have a subject.
func inLanes(events []OperationalEvent, stored []Stored) []Sequenced {
	var messages []Sequenced
	for i, s := range stored {
		if e := events[i]; s.Err == nil && e.Subject != "" {
			messages = append(messages, Sequenced{
				AppID: s.Message.AppID, MessageID: s.Message.ID, Subject: e.Subject, Place: e.Place,
			})
		}
	}
	return messages
}

// lanesAtOnce bounds a step: one probe of an index for each, some milliseconds.
const lanesAtOnce = 1000

// OperationalLaneStep lets deliveries go that wait for nothing. Whoever writes down that a delivery is over
// lets the next one go; this is for what that missed: a delivery that was put behind another in the moment
// that one ended, one that was dropped, and one that a process of an earlier release made. It returns where
// the next step begins.
func (s *Tasks) OperationalLaneStep(ctx context.Context, after Lane) (next Lane, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		var waiting []Lane
		if waiting, next, err = tx.DeliveryLaneList(ctx, after, lanesAtOnce); err != nil || len(waiting) == 0 {
			return err
		}
		return tx.DeliveryFollowMany(ctx, waiting, s.now())
	})
	if err != nil {
		return after, err
	}
	return next, nil
}
