package core

import (
	"context"
	"encoding/json"
	"time"
)

// OperationalEvent is what an operational webhook tells an organisation. It is written down in the unit
// of work that it tells of, and stored as a message of the organisation's operational application
// later; see OperationalEventStep.
type OperationalEvent struct {
	OrgID   OrgID
	Type    string
	Payload string // what is sent, to the byte
	Subject string // what it is about: events of one subject arrive in their order; empty: in any
	Place   int64  // in the order of all events; 0 until it is written down
}

const (
	eventTaskFinished      = "background_task.finished"
	eventEndpointCreated   = "endpoint.created"
	eventEndpointDeleted   = "endpoint.deleted"
	EventEndpointDisabled  = "endpoint.disabled"
	eventEndpointEnabled   = "endpoint.enabled"
	eventEndpointUpdated   = "endpoint.updated"
	eventAttemptsExhausted = "message.attempt.exhausted"
	eventAttemptsFailing   = "message.attempt.failing"
	eventAttemptsRecovered = "message.attempt.recovered"
)

// operationalEventTypes are what an operational webhook can be about.
var operationalEventTypes = []string{
	eventTaskFinished,
	eventEndpointCreated, eventEndpointDeleted, EventEndpointDisabled, eventEndpointEnabled, eventEndpointUpdated,
	eventAttemptsExhausted, eventAttemptsFailing, eventAttemptsRecovered,
}

// OperationalTx is what operational webhooks need of a unit of work.
type OperationalTx interface {
	// OperationalEventInsert writes an event down if an endpoint wants it, and else nothing.
	OperationalEventInsert(ctx context.Context, e OperationalEvent) error
	// OperationalEventTakeMany takes the first events out, in their order. Who calls it meanwhile waits.
	OperationalEventTakeMany(ctx context.Context, limit int) ([]OperationalEvent, error)
	// MessageInsertMany stores messages with what they are owed, and answers for each. The error is of all.
	MessageInsertMany(ctx context.Context, messages []NewMessage, now time.Time) ([]Stored, error)
	LaneTx
}

// tell writes an event about a subject down. Nobody is told of the operational-webhook endpoints
// themselves: each event would be the cause of more.
func tell(ctx context.Context, tx Tx, org OrgID, subject, eventType string, data any) error {
	if org == OperationalOrg {
		return nil
	}
	payload, err := json.Marshal(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{eventType, data})
	if err != nil {
		return err
	}
	return tx.OperationalEventInsert(ctx, OperationalEvent{OrgID: org, Type: eventType, Payload: string(payload), Subject: subject})
}

// operationalEventsAtOnce bounds a step: with 256 KiB each, which few have, 50 MiB.
const operationalEventsAtOnce = 200

// OperationalEventStep stores the events that have waited longest as messages, in one unit of work:
// each is stored once, whoever dies. True: there may be more.
func (s *Tasks) OperationalEventStep(ctx context.Context) (bool, error) {
	taken := 0
	err := s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		events, err := tx.OperationalEventTakeMany(ctx, operationalEventsAtOnce)
		if taken = len(events); err != nil || taken == 0 {
			return err
		}
		now := s.now() // not before: another may have stored earlier ones while this one waited
		messages := make([]NewMessage, taken)
		for i, e := range events {
			in := MessageIn{EventType: e.Type, Payload: []byte(e.Payload)}
			messages[i] = in.message(OperationalOrg, string(e.OrgID), now)
		}
		stored, err := tx.MessageInsertMany(ctx, messages, now) // one whose application is gone is dropped
		if err != nil {
			return err
		}
		return tx.DeliverySequenceMany(ctx, inLanes(events, stored))
	})
	return err == nil && taken == operationalEventsAtOnce, err
}
