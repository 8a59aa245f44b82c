package server

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

func messageIn(in *MessageIn) (core.MessageIn, error) {
	if in.EventType == nil {
		return core.MessageIn{}, missing("eventType")
	}
	out := core.MessageIn{
		EventType: *in.EventType, EventID: in.EventID, Channels: channels(in.Channels), Tags: set(in.Tags),
	}
	if err := readPayload(&out, in); err != nil {
		return out, err
	}
	if err := readRetention(&out, in); err != nil {
		return out, err
	}
	var err error
	if out.DeliverAt, err = timeIn(in.DeliverAt, "deliverAt"); err != nil {
		return out, err
	}
	if in.Application != nil {
		app, err := applicationIn(*in.Application, []string{"application"})
		if err != nil {
			return out, err
		}
		out.Application = &app
	}
	return out, nil
}

// readPayload takes the payload by its two names, or the raw one that takes its place.
func readPayload(out *core.MessageIn, in *MessageIn) error {
	params := in.TransformationsParams
	switch {
	case in.Payload != nil && in.Data != nil:
		return twice("payload", "data")
	case params != nil && params.RawPayload != nil:
		out.Payload, out.Raw = []byte(*params.RawPayload), true
		return readContentType(out, params.Headers)
	case in.Payload == nil && in.Data == nil:
		return missing("payload")
	case in.Payload != nil:
		out.Payload = in.Payload
	default:
		out.Payload = in.Data
	}
	return nil
}

// readContentType looks for the one header that a raw payload can bring.
func readContentType(out *core.MessageIn, headers map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !strings.EqualFold(name, "content-type") {
			continue
		}
		if out.ContentType != nil {
			return core.Invalid("The content type is given twice, in two spellings; give it once",
				"body", "transformationsParams", "headers", name)
		}
		value := headers[name]
		text, ok := value.(string)
		if !ok {
			return jsonError("content-type must be a string", "transformationsParams", "headers", name)
		}
		out.ContentType = &text
	}
	return nil
}

func readRetention(out *core.MessageIn, in *MessageIn) error {
	days, hours := in.PayloadRetentionPeriod, in.PayloadRetentionHours
	switch {
	case days != nil && hours != nil:
		return core.Invalid("payloadRetentionPeriod and payloadRetentionHours say the same: give one of them",
			"body", "payloadRetentionHours")
	case days != nil:
		out.Retention = duration(*days, 24*time.Hour)
	case hours != nil:
		out.Retention = duration(*hours, time.Hour)
	}
	return nil
}

// duration is that many units; more than a Duration can hold become the longest there is.
func duration(n int64, unit time.Duration) *time.Duration {
	return new(unit * time.Duration(max(-1, min(n, int64(math.MaxInt64/unit)))))
}

// decodeMessage reads one message of a batch.
func decodeMessage(text json.RawMessage) (core.MessageIn, error) {
	var in MessageIn
	if len(text) == 0 || text[0] != '{' {
		return core.MessageIn{}, jsonError("A message must be an object.")
	}
	if err := decodeError(ijson.Unmarshal(text, &in)); err != nil {
		return core.MessageIn{}, err
	}
	in.Application = nil
	return messageIn(&in)
}
