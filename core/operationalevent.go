package core

import (
	"context"
	"encoding/json"
	"time"
)

// OperationalEvent is the content of an operational webhook. It is recorded in the unit of work that it reports, and
// stored later as a message of the organisation's operational application; see OperationalEventStep.
type OperationalEvent struct {
	OrgID   OrgID
	Type    string
	Payload string // what is sent, byte for byte
	Subject string // what it is about: events with the same subject arrive in order; empty: in any order
	Place   int64  // its place in the order of all events; 0 until it is recorded
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

// operationalEventTypes lists the event types of operational webhooks.
var operationalEventTypes = []string{
	eventTaskFinished,
	eventEndpointCreated, eventEndpointDeleted, EventEndpointDisabled, eventEndpointEnabled, eventEndpointUpdated,
	eventAttemptsExhausted, eventAttemptsFailing, eventAttemptsRecovered,
}

// OperationalTx is the part of a unit of work that operational webhooks need.
type OperationalTx interface {
	// OperationalEventInsert records an event if an endpoint wants it, and does nothing otherwise.
	OperationalEventInsert(ctx context.Context, e OperationalEvent) error
	// OperationalEventTakeMany removes and returns the first events, in order. Concurrent callers block.
	OperationalEventTakeMany(ctx context.Context, limit int) ([]OperationalEvent, error)
	// MessageInsertMany stores messages with their deliveries and returns a result for each. The error concerns all of
	// them.
	MessageInsertMany(ctx context.Context, messages []NewMessage, now time.Time) ([]Stored, error)
	LaneTx
}

// tell records an event about a subject. Events about the operational-webhook endpoints themselves are not recorded:
// each event would cause more.
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

// operationalEventsAtOnce bounds a step: 200 events of 256 KiB, a size that few have, are 50 MiB.
const operationalEventsAtOnce = 200

// OperationalEventStep stores the oldest events as messages in one unit of work, so each is stored exactly once even
// if a process crashes. It returns true if there may be more.
func (s *Tasks) OperationalEventStep(ctx context.Context) (bool, error) {
	taken := 0
	err := s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		events, err := tx.OperationalEventTakeMany(ctx, operationalEventsAtOnce)
		if taken = len(events); err != nil || taken == 0 {
			return err
		}
		now := s.now() // only now: another process may have stored earlier events while this one waited
		messages := make([]NewMessage, taken)
		for i, e := range events {
			in := MessageIn{EventType: e.Type, Payload: []byte(e.Payload)}
			messages[i] = in.message(OperationalOrg, string(e.OrgID), now)
		}
		stored, err := tx.MessageInsertMany(ctx, messages, now) // messages whose application is gone are dropped
		if err != nil {
			return err
		}
		return tx.DeliverySequenceMany(ctx, inLanes(events, stored))
	})
	return err == nil && taken == operationalEventsAtOnce, err
}
