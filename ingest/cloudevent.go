package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
)

// cloudEvent is an event, in structured or binary mode.
type cloudEvent struct {
	attributes map[string]string // attributes by lower-case name, formatted as in headers; "": unset
	data       []byte            // nil: no data
}

// definedAttributes are the attributes that the specification defines. They are strings; extensions may have other
// types.
var definedAttributes = []string{"specversion", "id", "source", "type", "datacontenttype", "dataschema", "subject", "time"}

func (e *cloudEvent) attribute(name string) string { return e.attributes[strings.ToLower(name)] }

// set sets an attribute. Many senders write extension names with upper-case letters.
func (e *cloudEvent) set(name, value string) error {
	name = strings.ToLower(name)
	if _, twice := e.attributes[name]; twice {
		return errors.New("given twice, in two spellings")
	}
	if name == "" {
		return errors.New("it has an attribute without a name")
	}
	if name == "data" || strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) >= 0 {
		return errors.New("a name is made of a to z and 0 to 9, and is not data")
	}
	e.attributes[name] = value
	return nil
}

// check validates the attributes that the specification defines. An empty optional attribute counts as unset.
func (e *cloudEvent) check() error {
	const version = "1.0"
	if given := e.attributes["specversion"]; given == "" {
		return errors.New("specversion: it is missing")
	} else if given != version {
		return fmt.Errorf("specversion: version %.20q is not %s", given, version)
	}
	for _, name := range []string{"id", "source", "type"} {
		if strings.TrimSpace(e.attributes[name]) == "" {
			return fmt.Errorf("%s: it is missing or empty", name)
		}
	}
	if _, err := url.Parse(e.attributes["source"]); err != nil {
		return errors.New("source: it is no URI reference")
	}
	return e.checkOptional()
}

func (e *cloudEvent) checkOptional() error {
	if text := e.attributes["dataschema"]; text != "" {
		if schema, err := url.Parse(text); err != nil || !schema.IsAbs() {
			return errors.New("dataschema: it is no absolute URI")
		}
	}
	if text := e.attributes["time"]; text != "" && !isTime(text) {
		return errors.New("time: it is not as in 2026-01-31T09:30:00Z")
	}
	if text := e.attributes["datacontenttype"]; text != "" {
		if _, _, err := mime.ParseMediaType(text); err != nil {
			return fmt.Errorf("datacontenttype: %w", err)
		}
	}
	return nil
}

// isTime reports whether text is an RFC 3339 time. Package time does not support leap seconds.
func isTime(text string) bool {
	const minute = len("2026-01-31T09:30")
	text = strings.ToUpper(text)
	if len(text) > minute {
		text = text[:minute] + strings.Replace(text[minute:], ":60", ":59", 1)
	}
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// mediaType returns the data's media type without parameters.
func (e *cloudEvent) mediaType() string {
	mediaType, _, _ := mime.ParseMediaType(e.attributes["datacontenttype"])
	return mediaType
}

// isJSON reports whether the data is JSON, which a structured event embeds unencoded.
func (e *cloudEvent) isJSON() bool {
	mediaType := e.mediaType()
	return mediaType == "" || strings.HasSuffix(mediaType, "/json") || strings.HasSuffix(mediaType, "+json")
}

// message converts the event to a message, without its application.
func (e *cloudEvent) message() (core.MessageIn, error) {
	if e.data == nil {
		return core.MessageIn{}, errors.New("it has no data, and so nothing to send")
	}
	contentType := e.attributes["datacontenttype"]
	if e.mediaType() == "application/json" {
		contentType = ""
	}
	in, err := payload(e.data, contentType)
	if err != nil {
		return in, err
	}
	in.EventType, in.EventID = e.attributes["type"], e.eventID()
	if trace := e.attributes[traceParent]; trace != "" {
		in.TraceParent = &trace
	}
	return in, nil
}

// eventID returns the event's id if it is a valid event id of ours, and otherwise an id derived from it.
func (e *cloudEvent) eventID() *string {
	id := e.attributes["id"]
	if !core.IsEventID(id) {
		hash := sha256.Sum256([]byte(id))
		id = "ce-" + hex.EncodeToString(hash[:16])
	}
	return &id
}
