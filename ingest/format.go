package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// Format is how a source's messages are read, as it is written in the configuration.
type Format struct {
	// Format is "json", the default: an object with application, eventType, payload and if need be
	// eventId, channels and tags; "cloudevents"; or "mapping": the body is the payload, and the fields
	// below say where the rest is.
	Format string `json:"format"`

	Application *Selector `json:"application"`  // of a mapping; or of CloudEvents, instead of the extension "application"
	EventType   *Selector `json:"event_type"`   // of a mapping
	EventID     *Selector `json:"event_id"`     // of a mapping; optional
	ContentType string    `json:"content_type"` // of a mapping whose payload is no JSON object
}

// The formats.
const (
	FormatJSON        = "json"
	FormatCloudEvents = "cloudevents"
	FormatMapping     = "mapping"
)

// Decoder reads messages in the format, as those of an organisation. It returns an error if the format
// makes no sense.
func (f Format) Decoder(org core.OrgID) (Decoder, error) {
	decode, err := f.decoder()
	if err != nil {
		return nil, err
	}
	return func(m Message) (core.IngestIn, error) {
		if len(m.Body) > core.IngestBytesMost {
			return core.IngestIn{}, fmt.Errorf("it has %d bytes, and %d are the most", len(m.Body), core.IngestBytesMost)
		}
		in, err := decode(m)
		in.OrgID = org
		return in, err
	}, nil
}

func (f Format) decoder() (Decoder, error) {
	switch f.Format {
	case "", FormatJSON:
		if f.Application != nil || f.EventType != nil || f.EventID != nil || f.ContentType != "" {
			return nil, errors.New("application, event_type, event_id and content_type say nothing of the format json: in it messages tell themselves")
		}
		return decodeJSON, nil
	case FormatCloudEvents:
		return f.cloudEvents()
	case FormatMapping:
		return f.mapping()
	default:
		return nil, fmt.Errorf("format: %q is none of json, cloudevents and mapping", f.Format)
	}
}

// decodeJSON reads the format of our own.
func decodeJSON(m Message) (core.IngestIn, error) {
	var text struct {
		Application *string         `json:"application"`
		EventType   *string         `json:"eventType"`
		EventID     *string         `json:"eventId"`
		Channels    []string        `json:"channels"`
		Tags        []string        `json:"tags"`
		Payload     json.RawMessage `json:"payload"`
	}
	if err := isObject(m.Body); err != nil {
		return core.IngestIn{}, err
	}
	if err := ijson.Unmarshal(m.Body, &text); err != nil {
		return core.IngestIn{}, fmt.Errorf("it cannot be read: %s", ijson.Reason(err))
	}
	switch {
	case text.Application == nil:
		return core.IngestIn{}, errors.New("it has no application")
	case text.EventType == nil:
		return core.IngestIn{}, errors.New("it has no eventType")
	case text.Payload == nil:
		return core.IngestIn{}, errors.New("it has no payload")
	}
	return core.IngestIn{AppRef: *text.Application, MessageIn: core.MessageIn{
		EventType: *text.EventType, EventID: text.EventID, Channels: text.Channels, Tags: text.Tags, Payload: text.Payload,
	}}, nil
}

// isObject checks that a text begins as a JSON object, in UTF-8.
func isObject(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("it is not valid UTF-8")
	}
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return errors.New("it is no JSON object")
	}
	return nil
}
