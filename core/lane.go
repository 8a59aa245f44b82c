package core

import (
	"context"
	"time"
)

// Lane holds the operational webhooks to one endpoint about one subject. They are delivered one after the other:
// each waits until the previous one has arrived or was given up. Different lanes do not wait for each other.
type Lane struct {
	EndpointID EndpointID
	Subject    string
}

// Sequenced is a message that is put into the lane of each endpoint it is due to.
type Sequenced struct {
	AppID     AppID
	MessageID MessageID
	Subject   string
	Place     int64
}

// LaneTx is the part of a unit of work that lanes need.
type LaneTx interface {
	// DeliverySequenceMany puts the deliveries of messages stored in this unit of work into lanes, after the deliveries
	// already there.
	DeliverySequenceMany(ctx context.Context, messages []Sequenced) error
	// DeliveryLaneList goes through a bounded number of lanes and lists those whose first delivery waits for nothing.
	// next is where to continue, or zero after the last lane.
	DeliveryLaneList(ctx context.Context, after Lane, limit int) (waiting []Lane, next Lane, err error)
	// DeliveryFollowMany makes the first delivery of each lane due if it is waiting.
	DeliveryFollowMany(ctx context.Context, lanes []Lane, now time.Time) error
}

// inLanes returns the stored messages whose events have a subject.
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

// lanesAtOnce bounds a step: one index probe per lane, a few milliseconds in total.
const lanesAtOnce = 1000

// OperationalLaneStep releases deliveries that wait for nothing. Normally, recording that a delivery ended releases
// the next one. This step covers the cases in which that does not happen: a delivery queued behind another just as
// that one ended, one behind a dropped delivery, and one created by a process of an earlier release. It returns
// where the next step begins.
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
