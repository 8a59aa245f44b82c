package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/theory/jsonpath"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// Selector selects a value of a message. Exactly one field is set.
type Selector struct {
	Value     string `json:"value"`     // a constant, the same for every message
	Topic     bool   `json:"topic"`     // the topic, queue, subject or routing key
	Key       bool   `json:"key"`       // the record's key, or the message group
	Header    string `json:"header"`    // the header, property or attribute with this name
	Attribute string `json:"attribute"` // the CloudEvents attribute with this name
	Path      string `json:"path"`      // a JSONPath (RFC 9535) into the body that matches one string or number
}

// subject is a message that selectors are evaluated on.
type subject struct {
	Message
	attribute func(name string) string // attributes of a CloudEvent; nil: not a CloudEvent
	value     any                      // the decoded body, once it was needed
}

// selection returns the value that a selector selects.
type selection func(*subject) (string, error)

// compile validates and compiles the selector of the named field.
func (s *Selector) compile(name string) (selection, error) {
	if s == nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	set := 0
	for _, is := range []bool{s.Value != "", s.Topic, s.Key, s.Header != "", s.Attribute != "", s.Path != ""} {
		if is {
			set++
		}
	}
	if set != 1 {
		return nil, fmt.Errorf("%s: it needs one of value, topic, key, header, attribute and path", name)
	}
	if s.Path == "" {
		return s.selectField(name), nil
	}
	path, err := jsonpath.Parse(s.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return selectPath(name, path), nil
}

func (s *Selector) selectField(name string) selection {
	return func(in *subject) (string, error) {
		found := s.Value
		switch {
		case s.Topic:
			found = in.Topic
		case s.Key:
			found = in.Key
		case s.Header != "":
			found = in.Headers.Get(s.Header)
		case s.Attribute != "" && in.attribute != nil:
			found = in.attribute(s.Attribute)
		}
		if found == "" {
			return "", fmt.Errorf("it does not say its %s", name)
		}
		return found, nil
	}
}

func selectPath(name string, path *jsonpath.Path) selection {
	return func(in *subject) (string, error) {
		body, err := in.body()
		if err != nil {
			return "", err
		}
		found := path.Select(body)
		if len(found) != 1 {
			return "", fmt.Errorf("it does not say its %s: %s finds %d values", name, path, len(found))
		}
		switch v := found[0].(type) {
		case *ijson.Error:
			return "", fmt.Errorf("it does not say its %s: %s: %w", name, path, v)
		case string:
			return v, nil
		case json.Number:
			return v.String(), nil
		default:
			return "", fmt.Errorf("it does not say its %s: %s is neither a string nor a number", name, path)
		}
	}
}

// body returns the message's decoded body; numbers keep their spelling. The body is the payload too, so a duplicate
// member is an error only if it is selected.
func (in *subject) body() (any, error) {
	if in.value != nil {
		return in.value, nil
	}
	var err error
	if in.value, err = ijson.Value(in.Body); err != nil {
		return nil, fmt.Errorf("it is not JSON: %s", ijson.Reason(err))
	}
	return in.value, nil
}

// optional compiles a selector that may be absent.
func (s *Selector) optional(name string) (selection, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // there is none, and nothing is wrong with that
	}
	return s.compile(name)
}

func (f Format) mapping() (Decoder, error) {
	for _, s := range []*Selector{f.Application, f.EventType, f.EventID} {
		if s != nil && s.Attribute != "" {
			return nil, errors.New("attribute: only CloudEvents have them")
		}
	}
	app, errApp := f.Application.compile("application")
	eventType, errType := f.EventType.compile("event_type")
	eventID, errID := f.EventID.optional("event_id")
	if err := errors.Join(errApp, errType, errID); err != nil {
		return nil, err
	}
	return func(m Message) (core.IngestIn, error) {
		message, err := payload(m.Body, f.ContentType)
		in := core.IngestIn{MessageIn: message}
		if err != nil {
			return in, err
		}
		from := &subject{Message: m}
		if in.AppRef, err = app(from); err != nil {
			return in, err
		}
		if in.EventType, err = eventType(from); err != nil || eventID == nil {
			return in, err
		}
		id, err := eventID(from)
		in.EventID = &id
		return in, err
	}, nil
}

// payload returns text as a payload of the given content type, or as a JSON object if there is none.
func payload(text []byte, contentType string) (core.MessageIn, error) {
	if contentType != "" {
		return core.MessageIn{Payload: text, Raw: true, ContentType: &contentType}, nil
	}
	if err := isObject(text); err != nil {
		return core.MessageIn{}, err
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return core.MessageIn{}, fmt.Errorf("it cannot be read: %s", ijson.Reason(err))
	}
	return JSON(text), nil
}

// JSON returns a message with a JSON text as its payload, byte for byte except for surrounding white space.
func JSON(text []byte) core.MessageIn { return core.MessageIn{Payload: bytes.TrimSpace(text)} }
