package ingest

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/wire"
)

// Format configures how a source's messages are decoded.
type Format struct {
	// Format is "json" (the default): the body of a POST to the API plus its application; "cloudevents"; or
	// "mapping": the body is the payload, and the fields below say where the rest is.
	Format string `json:"format"`

	Application *Selector `json:"application"`  // for mapping; for CloudEvents, instead of its extension "application"
	EventType   *Selector `json:"event_type"`   // for mapping
	EventID     *Selector `json:"event_id"`     // for mapping; optional
	ContentType string    `json:"content_type"` // for mapping, if the payload is no JSON object
}

// The formats.
const (
	FormatJSON        = "json"
	FormatCloudEvents = "cloudevents"
	FormatMapping     = "mapping"
)

// Decoder returns a decoder for messages of an organisation in this format, or an error if the format is invalid.
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

// decodeJSON decodes our own format. Its reasons are the API's errors.
func decodeJSON(m Message) (core.IngestIn, error) {
	in, err := readJSON(m.Body)
	if err != nil {
		return in, errors.New(core.Reason(err))
	}
	return in, nil
}

func readJSON(body []byte) (in core.IngestIn, err error) {
	var text wire.Message[*string]
	if err := wire.Unmarshal(body, &text); err != nil {
		return in, err
	}
	if text.Application == nil {
		return in, wire.Missing("application")
	}
	in.AppRef = *text.Application
	in.MessageIn, err = text.In()
	return in, err
}

// isObject returns an error unless the text starts like a JSON object and is valid UTF-8.
func isObject(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("it is not valid UTF-8")
	}
	if !ijson.IsObject(text) {
		return errors.New("it is no JSON object")
	}
	return nil
}
