package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// fieldsAfterGo156 lists, by schema, the fields that the Go SDK before 1.57 and the Java SDK before 1.60 do not know.
// These SDKs fail on unknown fields after the server has done the work, so the caller sees an error for a request
// that succeeded.
var fieldsAfterGo156 = map[string][]string{
	"ApplicationOut":                {"throttleRate"},
	"AppUsageStatsOut":              {"updatedAt"},
	"BackgroundTaskOut":             {"updatedAt"},
	"BackgroundTaskStarted":         {"updatedAt"},
	"EndpointMessageOut":            {"statusText"},
	"EndpointOut":                   {"throttleRate", "eventTypes", "fifo", "health"},
	"EndpointStats":                 {"canceled"},
	"EventTypeFromOpenApi":          {"archived", "featureFlags"},
	"EventTypeOut":                  {"featureFlags"},
	"MessageAttemptOut":             {"statusText"},
	"MessageEndpointOut":            {"throttleRate", "eventTypes", "statusText"},
	"MessageOut":                    {"deliverAt"},
	"OperationalWebhookEndpointOut": {"throttleRate", "eventTypes"},
}

// fieldsAfterGo140 lists the fields added one release after these SDKs became strict.
var fieldsAfterGo140 = map[string][]string{"AppUsageStatsOut": {"unresolvedAppIds"}}

// knownFields is a ResponseWriter that removes the fields that an SDK rejects. It buffers the body until write.
type knownFields struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (k *knownFields) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *knownFields) Write(text []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(text)
}

// write sends the answer to a routed request. An answer without a schema is sent unchanged.
func (k *knownFields) write(r *http.Request, to sdk) {
	text := k.body.Bytes()
	if s := answerSchema(r.Pattern, k.status); s != nil {
		if known, err := (fieldCutter{to}).value(s, text); err == nil {
			text = known
		}
	}
	if k.status != 0 {
		k.ResponseWriter.WriteHeader(k.status)
	}
	_, _ = k.ResponseWriter.Write(text) // fails only if the client has gone
}

// answerSchema returns the schema of a route's answer, or nil if it has none.
func answerSchema(route string, status int) *schema {
	method, path, _ := bytes.Cut([]byte(route), []byte(" "))
	op := contract().Paths[string(path)].operations()[string(method)]
	if op == nil || op.Responses[strconv.Itoa(status)] == nil {
		return nil
	}
	return op.Responses[strconv.Itoa(status)].Content.JSON()
}

// fieldCutter removes fields from JSON. All other bytes are unchanged, so that payloads are returned as they were
// sent.
type fieldCutter struct{ to sdk }

func (c fieldCutter) value(s *schema, text []byte) ([]byte, error) {
	names, s := resolved(s)
	if len(text) == 0 || len(names) == 0 && s.Items == nil && s.Properties == nil {
		return text, nil
	}
	switch text = bytes.TrimSpace(text); text[0] {
	case '{':
		return c.object(names, s.Properties, text)
	case '[':
		return c.array(s.Items, text)
	}
	return text, nil
}

func (c fieldCutter) object(names []string, properties map[string]*schema, text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // {
	out := []byte{'{'}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		name := token.(string) // keys are always strings
		if c.refused(names, name) {
			continue
		}
		if property := properties[name]; property != nil {
			if value, err = c.value(property, value); err != nil {
				return nil, err
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(strconv.AppendQuote(out, name), ':')
		out = append(out, value...)
	}
	return closed(d, append(out, '}'))
}

func (c fieldCutter) array(items *schema, text []byte) ([]byte, error) {
	if items == nil {
		return text, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // [
	out := []byte{'['}
	for d.More() {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		known, err := c.value(items, value)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, known...)
	}
	return closed(d, append(out, ']'))
}

// closed reads the closing delimiter, and returns out if nothing follows.
func closed(d *json.Decoder, out []byte) ([]byte, error) {
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("after the value: %w", err)
	}
	return out, nil
}

func (c fieldCutter) refused(schemas []string, field string) bool {
	return slices.ContainsFunc(schemas, func(name string) bool {
		return slices.Contains(fieldsAfterGo156[name], field) ||
			c.to.before(1, 41) && slices.Contains(fieldsAfterGo140[name], field)
	})
}

// resolved returns a schema without references, and the names of the schemas that it is composed of.
func resolved(s *schema) (names []string, _ *schema) {
	if s.Ref != "" {
		names = append(names, refName(s.Ref))
		s = contract().Components.Schemas[refName(s.Ref)]
	}
	if s.AllOf == nil {
		return names, s
	}
	all := schema{Properties: map[string]*schema{}}
	for _, part := range s.AllOf {
		more, part := resolved(part)
		names = append(names, more...)
		maps.Copy(all.Properties, part.Properties)
	}
	return names, &all
}
