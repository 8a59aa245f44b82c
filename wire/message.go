package wire

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
)

// Message is a message as its sender writes it: the schema MessageIn of the contract. A is the type of its
// application: in the body of a request the application to create, and in a broker's message the name of its
// application.
type Message[A any] struct {
	Application            A                      `json:"application"`
	Channels               []string               `json:"channels"`
	Data                   json.RawMessage        `json:"data"` // another name for Payload
	DeliverAt              *string                `json:"deliverAt"`
	EventID                *string                `json:"eventId"`
	EventType              *string                `json:"eventType"`
	Payload                json.RawMessage        `json:"payload"`
	PayloadRetentionHours  *int64                 `json:"payloadRetentionHours"`
	PayloadRetentionPeriod *int64                 `json:"payloadRetentionPeriod"` // in days
	Tags                   []string               `json:"tags"`
	TransformationsParams  *TransformationsParams `json:"transformationsParams"`
}

// TransformationsParams holds a payload that is not a JSON object.
type TransformationsParams struct {
	RawPayload *string        `json:"rawPayload"`
	Headers    map[string]any `json:"headers"`
}

// In returns the content of the message, without its application.
func (m *Message[A]) In() (core.MessageIn, error) {
	if m.EventType == nil {
		return core.MessageIn{}, Missing("eventType")
	}
	in := core.MessageIn{
		EventType: *m.EventType, EventID: m.EventID, Channels: Channels(m.Channels), Tags: Set(m.Tags),
	}
	if err := m.readPayload(&in); err != nil {
		return in, err
	}
	if err := m.readRetention(&in); err != nil {
		return in, err
	}
	var err error
	in.DeliverAt, err = BodyTime(m.DeliverAt, "deliverAt")
	return in, err
}

// readPayload reads the payload by either of its names, or the raw payload that replaces it.
func (m *Message[A]) readPayload(out *core.MessageIn) error {
	params := m.TransformationsParams
	switch {
	case m.Payload != nil && m.Data != nil:
		return Twice("payload", "data")
	case params != nil && params.RawPayload != nil:
		out.Payload, out.Raw = []byte(*params.RawPayload), true
		return readContentType(out, params.Headers)
	case m.Payload == nil && m.Data == nil:
		return Missing("payload")
	case m.Payload != nil:
		out.Payload = m.Payload
	default:
		out.Payload = m.Data
	}
	return nil
}

// readContentType looks for the only header that may come with a raw payload.
func readContentType(out *core.MessageIn, headers map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !strings.EqualFold(name, "content-type") {
			continue
		}
		if out.ContentType != nil {
			return core.Invalid("content-type is given twice; header names are case-insensitive",
				"body", "transformationsParams", "headers", name)
		}
		value := headers[name]
		text, ok := value.(string)
		if !ok {
			return Unreadable("content-type must be a string", "transformationsParams", "headers", name)
		}
		out.ContentType = &text
	}
	return nil
}

func (m *Message[A]) readRetention(out *core.MessageIn) error {
	days, hours := m.PayloadRetentionPeriod, m.PayloadRetentionHours
	switch {
	case days != nil && hours != nil:
		return core.Invalid("payloadRetentionPeriod and payloadRetentionHours are the same setting; give only one of them",
			"body", "payloadRetentionHours")
	case days != nil:
		out.Retention = Duration(*days, 24*time.Hour)
	case hours != nil:
		out.Retention = Duration(*hours, time.Hour)
	}
	return nil
}

// Duration returns n units. A number too large for a Duration becomes the longest one.
func Duration(n int64, unit time.Duration) *time.Duration {
	return new(unit * time.Duration(max(-1, min(n, int64(math.MaxInt64/unit)))))
}
