package ingest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// cloudEvents decodes CloudEvents 1.0, either structured or binary with the attributes in headers. The event's type
// becomes the event type, its id the event id, and its data the payload. The application comes from the extension
// attribute "application", unless the format selects another place.
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
		in, err := e.message()
		if err != nil {
			return core.IngestIn{}, err
		}
		ref, err := app(&subject{Message: m, attribute: e.attribute})
		return core.IngestIn{AppRef: ref, MessageIn: in}, err
	}, nil
}

const (
	structuredType = "application/cloudevents"
	batchType      = "application/cloudevents-batch"
)

func readEvent(m Message) (*cloudEvent, error) {
	contentType, _, _ := mime.ParseMediaType(m.Headers.Get("content-type"))
	contentType = strings.TrimSuffix(contentType, "+json")
	prefix := binaryPrefix(m.Headers)
	if contentType == batchType {
		return nil, errors.New("it is a batch of CloudEvents: send them one by one")
	}
	e := &cloudEvent{attributes: map[string]string{}}
	var err error
	if contentType == structuredType || prefix == "" {
		err = e.readStructured(m.Body)
	} else {
		err = e.readBinary(prefix, m)
	}
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return nil, fmt.Errorf("it is no CloudEvent: %w", err)
	}
	return e, nil
}

// readStructured reads the JSON format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
func (e *cloudEvent) readStructured(text []byte) error {
	if err := isObject(text); err != nil {
		return err
	}
	members, err := ijson.Members(text)
	if err != nil {
		return errors.New(ijson.Reason(err))
	}
	data, encoded := members["data"], members["data_base64"]
	delete(members, "data")
	delete(members, "data_base64")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, err := attributeText(name, members[name])
		if err == nil {
			err = e.set(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return e.readData(data, encoded)
}

// attributeText returns an attribute as a header would contain it, or "" for null. Numbers keep their spelling.
func attributeText(name string, text json.RawMessage) (string, error) {
	folded := strings.ToLower(name)
	defined := slices.Contains(definedAttributes, folded)
	if defined && name != folded {
		return "", errors.New("its name is written " + folded)
	}
	value, err := ijson.Value(text)
	if err != nil {
		return "", err
	}
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case *ijson.Error:
		return "", v
	case json.Number, bool:
		if !defined {
			return fmt.Sprint(v), nil
		}
	}
	return "", errors.New("expected a string")
}

// readData takes the data from whichever of its two members is present.
func (e *cloudEvent) readData(data, encoded json.RawMessage) (err error) {
	isNull := func(text json.RawMessage) bool { return text == nil || string(text) == "null" }
	switch {
	case !isNull(data) && !isNull(encoded):
		err = errors.New("data and data_base64 are the same: give one of them")
	case !isNull(encoded):
		if e.data, err = decodeData(encoded); err != nil {
			err = fmt.Errorf("data_base64: %w", err)
		}
	case e.isJSON():
		e.data = e.jsonData(data)
	case !isNull(data) && data[0] != '"':
		e.data = data
	case !isNull(data):
		var text string
		if text, err = attributeText("data", data); err != nil {
			err = fmt.Errorf("data: %w", err)
		}
		e.data = []byte(text)
	}
	return err
}

// jsonData returns the data as written. Only the Go SDK (still in 2.16) encodes JSON of a +json type as a string that
// contains it. By the specification that is a string value, but no sender means a string that looks like this.
func (e *cloudEvent) jsonData(data json.RawMessage) []byte {
	if len(data) == 0 || data[0] != '"' || !strings.HasSuffix(e.mediaType(), "+json") {
		return data
	}
	text, err := attributeText("data", data)
	if err != nil || text == "" || text[0] != '{' && text[0] != '[' || !ijson.Valid([]byte(text)) {
		return data
	}
	return []byte(text)
}

func decodeData(encoded json.RawMessage) ([]byte, error) {
	value, err := ijson.Value(encoded)
	if err != nil {
		return nil, err
	}
	text, ok := value.(string)
	if !ok {
		return nil, errors.New("expected a string")
	}
	return base64.StdEncoding.DecodeString(text)
}

// escapingPrefix is the prefix of the HTTP and NATS bindings, which escape characters that a header cannot hold.
const escapingPrefix = "ce-"

// prefixes are the prefixes of attribute names in headers: of the Kafka binding, of the HTTP and NATS bindings, and
// of the AMQP binding.
var prefixes = []string{"ce_", escapingPrefix, "cloudEvents:", "cloudEvents_"}

// binaryPrefix returns the prefix of the message's attributes, or "" if there is none, which means that the message
// is structured.
func binaryPrefix(h Headers) string {
	for _, prefix := range prefixes {
		for name := range h {
			if strings.EqualFold(name, prefix+"specversion") {
				return prefix
			}
		}
	}
	return ""
}

func (e *cloudEvent) readBinary(prefix string, m Message) error {
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		value, err := strings.TrimSpace(m.Headers[name]), error(nil)
		if prefix == escapingPrefix {
			value, err = unescape(value)
		}
		if err == nil {
			err = e.set(name[len(prefix):], value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	e.data = m.Body
	return e.setContentType(m.Headers.Get("content-type"))
}

// setContentType sets the content type of the message itself. NATS passes it as an attribute; other senders set both.
func (e *cloudEvent) setContentType(given string) error {
	const name = "datacontenttype"
	if named := e.attributes[name]; given != "" && named != "" && given != named {
		return fmt.Errorf("%s: it is not the content type of the message, %.100q", name, given)
	}
	if given != "" {
		e.attributes[name] = given
	}
	return nil
}

var quotedPair = regexp.MustCompile(`\\(.)`)

// unescape decodes a header value, which is quoted (older versions of the specification) or percent-encoded. If any %
// does not begin an escape, the sender does not escape, and the value is returned unchanged.
func unescape(value string) (string, error) {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = quotedPair.ReplaceAllString(value[1:n-1], "$1")
	}
	text, err := url.PathUnescape(value)
	if err != nil {
		return value, nil //nolint:nilerr // it is taken as it is
	}
	if !utf8.ValidString(text) {
		return "", errors.New("its escapes are not UTF-8")
	}
	return text, nil
}
