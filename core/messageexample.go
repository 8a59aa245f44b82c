package core

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
)

// PingEventType needs no event type to be created: every organisation can send an example of it.
const PingEventType = "svix.ping"

const pingPayload = `{"success": true}`

// MessageSendExample stores a message with an example of the event type as its payload, to be delivered to that
// endpoint only, if the endpoint wants messages of the type. index selects the example. A disabled endpoint is a
// conflict.
func (s *Service) MessageSendExample(ctx context.Context, scope Scope, appRef, endpointRef, eventType string, index int) (Message, error) {
	if err := scope.org(); err != nil {
		return Message{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, endpointRef)
	if err != nil {
		return Message{}, err
	}
	payload, err := s.example(ctx, scope.OrgID, eventType, index)
	if err != nil {
		return Message{}, err
	}
	now := s.now()
	m := MessageIn{EventType: eventType, Payload: payload}.message(scope.OrgID, appRef, now).Message
	m.AppID = e.AppID
	return m, s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := lockEnabled(ctx, tx, e); err != nil {
			return err
		}
		if err := tx.MessageInsert(ctx, m); err != nil || !e.wants(m) {
			return err
		}
		return tx.DeliveryInsert(ctx, m.AppID, m.ID, e.ID, now)
	})
}

// example returns the payload of an example.
func (s *Service) example(ctx context.Context, org OrgID, eventType string, index int) ([]byte, error) {
	if eventType == PingEventType {
		return []byte(pingPayload), nil
	}
	var c checks
	if c.pathName(eventType, "eventType"); c.err() != nil {
		return nil, c.err()
	}
	t, err := s.store.EventTypeGet(ctx, org, eventType)
	if err != nil {
		return nil, noEventType(err, eventType)
	}
	payload := schemaExample(t.Schemas, index)
	if len(payload) == 0 || payload[0] != '{' {
		return nil, &Error{
			Kind: KindBadRequest, Code: "invalid_scheme",
			Message: "The event type has no example; add one under examples in its schema.",
		}
	}
	return payload, nil
}

// wants reports whether the endpoint receives the message, by the same condition as the fan-out.
func (e Endpoint) wants(m Message) bool {
	return !e.Disabled &&
		(e.EventTypes == nil || slices.Contains(e.EventTypes, m.EventType)) &&
		(e.Channels == nil || slices.ContainsFunc(e.Channels, func(c string) bool { return slices.Contains(m.Channels, c) }))
}

// schemaExample returns the example at index, or the first if there are fewer, from the schema of version 1, or of
// the greatest version if there is no version 1. It returns nil if there is no example.
func schemaExample(schemas json.RawMessage, index int) json.RawMessage {
	var byVersion map[string]map[string]json.RawMessage // not a struct, which would accept EXAMPLES for examples
	_ = json.Unmarshal(schemas, &byVersion)
	version := "1"
	if _, found := byVersion[version]; !found {
		version = greatestVersion(byVersion)
	}
	var examples []json.RawMessage
	_ = json.Unmarshal(byVersion[version]["examples"], &examples) // If it is not an array, there are no examples.
	switch {
	case len(examples) == 0:
		return nil
	case index < 0 || index >= len(examples):
		return examples[0]
	}
	return examples[index]
}

// greatestVersion compares versions as numbers. Versions that are not numbers are less than any that are.
func greatestVersion[T any](versions map[string]T) string {
	greatest, number := "", -1
	for version := range versions {
		n, err := strconv.Atoi(version)
		if err != nil || n < 0 {
			n = -1
		}
		if n > number || n == number && version > greatest {
			greatest, number = version, n
		}
	}
	return greatest
}
