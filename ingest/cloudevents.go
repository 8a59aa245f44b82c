package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// cloudEvents reads CloudEvents 1.0: structured, or binary with the attributes in headers. The event's
// type is the event type, its id the event id, and its data the payload. It says its application in an
// extension of that name, unless the format says where else.
func (f Format) cloudEvents() (Decoder, error) {
	if f.EventType != nil || f.EventID != nil || f.ContentType != "" {
		return nil, errors.New("event_type, event_id and content_type say nothing of CloudEvents: they tell themselves")
	}
	where := f.Application
	if where == nil {
		where = &Selector{Attribute: "application"}
	}
	app, err := where.compile("application")
	if err != nil {
		return nil, err
	}
	return func(m Message) (core.IngestIn, error) {
		e, err := readEvent(m)
		if err != nil {
			return core.IngestIn{}, err
		}
		if err := e.Validate(); err != nil {
			return core.IngestIn{}, fmt.Errorf("it is no CloudEvent: %w", err)
		}
		in := core.IngestIn{MessageIn: payload(e.Data(), contentTypeOf(e))}
		if in.Payload == nil {
			return in, errors.New("it has no data, and so nothing to send")
		}
		in.EventType, in.EventID = e.Type(), eventIDOf(e)
		if trace := attributeOf(e)(traceParent); trace != "" {
			in.TraceParent = &trace
		}
		in.AppRef, err = app(&subject{Message: m, attribute: attributeOf(e)})
		return in, err
	}, nil
}

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
)

func readEvent(m Message) (event.Event, error) {
	contentType, _, _ := mime.ParseMediaType(m.Headers.Get("content-type"))
	e := event.New()
	switch prefix := binaryPrefix(m.Headers); {
	case contentType == batchType:
		return e, errors.New("it is a batch of CloudEvents: send them one by one")
	case contentType != structuredType && prefix != "":
		err := readBinary(&e, prefix, m)
		return e, err
	}
	if err := checkStructured(m.Body); err != nil {
		return e, err
	}
	if err := json.Unmarshal(m.Body, &e); err != nil {
		return e, fmt.Errorf("it is no CloudEvent: %w", err)
	}
	return e, nil
}

// checkStructured checks what the library's reader forgives: what is no JSON, an attribute that is given twice, or
// without a name, at which it would stop reading, and half a surrogate pair in text. Data that is JSON is
// not looked into.
func checkStructured(text []byte) error {
	if err := isObject(text); err != nil {
		return err
	}
	members, err := ijson.Members(text)
	if err != nil {
		return fmt.Errorf("it cannot be read: %s", ijson.Reason(err))
	}
	seen := make(map[string]bool, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		switch folded := strings.ToLower(name); {
		case name == "":
			return errors.New("it is no CloudEvent: it has an attribute without a name")
		case seen[folded]:
			return fmt.Errorf("it is no CloudEvent: %s: given twice, in two spellings", name)
		case name == "data" && members[name][0] != '"':
		default:
			seen[folded] = true
			if err := ijson.Check(members[name]); err != nil {
				return fmt.Errorf("it is no CloudEvent: %s: %w", name, err)
			}
		}
	}
	return nil
}

// prefixes are how attributes are named in headers: by the bindings for Kafka, for HTTP and NATS, and
// for AMQP.
var prefixes = []string{"ce_", "ce-", "cloudEvents:", "cloudEvents_"}

// binaryPrefix is the prefix that the message's attributes have; "": it has none, and is structured.
func binaryPrefix(h Headers) string {
	for _, prefix := range prefixes {
		if h.Get(prefix+"specversion") != "" {
			return prefix
		}
	}
	return ""
}

func readBinary(e *event.Event, prefix string, m Message) error {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		attribute := strings.ToLower(name[len(prefix):])
		if seen[attribute] {
			return fmt.Errorf("it is no CloudEvent: %s: given twice, in two spellings", name)
		}
		seen[attribute] = true
		if err := setAttribute(e, attribute, m.Headers[name]); err != nil {
			return fmt.Errorf("it is no CloudEvent: %s: %w", name, err)
		}
	}
	if contentType := m.Headers.Get("content-type"); contentType != "" {
		e.SetDataContentType(contentType)
	}
	e.DataEncoded = m.Body
	return nil
}

func setAttribute(e *event.Event, name, value string) error {
	switch name {
	case "specversion":
		if value != event.CloudEventsVersionV1 {
			return fmt.Errorf("version %q is not %s", value, event.CloudEventsVersionV1)
		}
		return nil
	case "id":
		return e.Context.SetID(value)
	case "source":
		return e.Context.SetSource(value)
	case "type":
		return e.Context.SetType(value)
	case "subject":
		return e.Context.SetSubject(value)
	case "dataschema":
		return e.Context.SetDataSchema(value)
	case "time":
		at, err := types.ParseTime(value)
		if err != nil {
			return err
		}
		return e.Context.SetTime(at)
	default:
		return e.Context.SetExtension(name, value)
	}
}

// contentTypeOf is the type of the data; "": JSON.
func contentTypeOf(e event.Event) string {
	contentType, _, _ := mime.ParseMediaType(e.DataContentType())
	if contentType == "" || contentType == "application/json" {
		return ""
	}
	return e.DataContentType()
}

// attributeOf looks up attributes that are text.
func attributeOf(e event.Event) func(name string) string {
	return func(name string) string {
		switch name {
		case "id":
			return e.ID()
		case "source":
			return e.Source()
		case "type":
			return e.Type()
		case "subject":
			return e.Subject()
		}
		text, err := types.Format(e.Extensions()[name])
		if err != nil {
			return ""
		}
		return text
	}
}

// eventIDOf is the event's id, where that can be one of ours; else one that is made of it.
func eventIDOf(e event.Event) *string {
	id := e.ID()
	if !core.IsEventID(id) {
		hash := sha256.Sum256([]byte(id))
		id = "ce-" + hex.EncodeToString(hash[:16])
	}
	return &id
}
