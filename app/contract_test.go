package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server"
)

// An operation is one operation of the contract, with a valid request.
type operation struct {
	id     string
	good   request
	path   []string                   // its placeholders
	query  []string                   // the names of its parameters
	values map[string]string          // valid values for them
	fields map[string]json.RawMessage // of the valid request's body
	more   map[string]json.RawMessage // further optional fields
}

// operations reads the contract as clients do, so that additions to it are tested too.
func operations(tb testing.TB) []operation {
	tb.Helper()
	handler := server.New(server.Config{Service: core.NewService(nil, nil, nil, time.Now, core.EndpointRules{}), Log: slog.New(slog.DiscardHandler)})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
	var c contract
	if err := json.Unmarshal(answer.Body.Bytes(), &c); err != nil {
		tb.Fatal(err)
	}
	var all []operation
	for path, item := range c.Paths {
		for method, text := range item {
			if method != "parameters" {
				all = append(all, c.operation(tb, strings.ToUpper(method), path, item["parameters"], text))
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

type contract struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]parameter
		Schemas    map[string]schema
	}
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Schema   schema
}

type schema struct {
	Ref                         string `json:"$ref"`
	Type, Format                string
	Minimum                     *int
	Enum                        []any
	Items, AdditionalProperties *schema
	AllOf                       []schema
	Properties                  map[string]schema
}

func (c contract) operation(tb testing.TB, method, path string, parameters, text json.RawMessage) operation {
	tb.Helper()
	var said struct {
		OperationID string
		Parameters  []parameter
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
	var common []parameter
	if err := json.Unmarshal(text, &said); err != nil {
		tb.Fatal(err)
	}
	if parameters != nil {
		if err := json.Unmarshal(parameters, &common); err != nil {
			tb.Fatal(err)
		}
	}
	op := operation{id: said.OperationID, good: request{method: method, target: path}, values: map[string]string{}}
	for _, p := range slices.Concat(common, said.Parameters) {
		if p.Ref != "" {
			p = c.Components.Parameters[afterSlash(p.Ref)]
		}
		switch p.In {
		case "path":
			op.path = append(op.path, "{"+p.Name+"}")
		case "query":
			op.query = append(op.query, p.Name)
			op.values[p.Name] = queryValues[p.Name]
			if enum := c.resolve(p.Schema).Enum; len(enum) > 0 {
				op.values[p.Name] = fmt.Sprint(enum[len(enum)-1])
			}
		}
	}
	if strings.Contains(path, "/operational-webhook/") && op.path != nil {
		op.good.target, op.path = strings.ReplaceAll(path, "{endpoint_id}", "{watcher}"), []string{"{watcher}"}
	}
	if body, found := said.RequestBody.Content["application/json"]; found {
		op.fields, op.more = c.fields(body.Schema, said.OperationID)
		op.good.body = object(op.fields)
	}
	return op
}

func afterSlash(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// others are mutually exclusive fields: a body that contains all of them is refused.
var others = map[string]string{
	"specRaw": "spec", "data": "payload", "filterTypes": "eventTypes", "payloadRetentionHours": "payloadRetentionPeriod",
	"rateLimit": "throttleRate", "application": "", "transformationsParams": "", "featureFlag": "featureFlags",
}

// fields returns valid values for the fields of a body.
func (c contract) fields(s schema, id string) (good, more map[string]json.RawMessage) {
	good, more = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for name, property := range c.resolve(s).Properties {
		value := c.sample(name, property)
		if given, found := samples[id+"."+name]; found {
			value = json.RawMessage(given)
		}
		if _, instead := others[name]; instead {
			more[name] = value
		} else {
			good[name] = value
		}
	}
	return good, more
}

func (c contract) resolve(s schema) schema {
	if s.Ref != "" {
		s = c.Components.Schemas[afterSlash(s.Ref)]
	}
	for _, part := range s.AllOf {
		part = c.resolve(part)
		if s.Properties == nil {
			s.Properties = map[string]schema{}
		}
		maps.Copy(s.Properties, part.Properties)
		s.Type = part.Type
	}
	return s
}

// samples are valid values for fields whose schemas do not define one.
var samples = map[string]string{
	"url": `"https://n.example/hook"`, "uid": `"new"`, "eventId": `"new"`, "eventType": `"a.made"`,
	"eventTypes": `["a.made"]`, "filterTypes": `["a.made"]`, "channels": `["c"]`, "tags": `["t"]`,
	"secret": `"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`, "key": `"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`,
	"ids": `["{msg_id}","order-1"]`, "payload": `{"a":1}`, "data": `{"a":1}`, "capabilities": `["ViewBase"]`,
	"deliverAt": `"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`,
	"since":     `"` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + `"`,
	"until":     `"` + time.Now().UTC().Format(time.RFC3339) + `"`,
	"spec":      `{"webhooks":{"b.made":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object"}}}}}}}}`,
	"specRaw":   `"webhooks:\n  b.made: {post: {description: D}}\n"`, "schemas": `{"1":{"type":"object","examples":[{}]}}`,
	"headers": `{"x-mine":"1"}`, "expiry": `3600`, "sessionId": `"s"`, "sessionIds": `["s"]`, "metadata": `{"k":"v"}`,
	"application": `{"name":"N","uid":"one"}`, "payloadRetentionPeriod": `5`, "featureFlags": `["f"]`, "featureFlag": `"f"`,
	"messages": `[{"eventType":"a.made","payload":{"a":1}},{"eventType":"a.made","payload":{"a":2},"eventId":"new"}]`,
	"appIds":   `["{app_id}"]`, "statusCodeClass": `500`, "status": `2`,
	"transformationsParams": `{"rawPayload":"x","headers":{"content-type":"text/plain"}}`,

	"EventTypeCreate.name":                        `"b.made"`,
	"OperationalWebhookEndpointCreate.eventTypes": `["endpoint.created"]`,
	"OperationalWebhookEndpointUpdate.eventTypes": `["endpoint.created"]`,
}

func (c contract) sample(name string, s schema) json.RawMessage {
	if known, found := samples[name]; found {
		return json.RawMessage(known)
	}
	s = c.resolve(s)
	var value any
	switch {
	case s.Enum != nil:
		value = s.Enum[0]
	case s.Type == "integer":
		value = 1
		if s.Minimum != nil {
			value = *s.Minimum
		}
	case s.Type == "boolean":
		value = false
	case s.Type == "array":
		value = []any{}
		if s.Items != nil {
			value = []any{c.sample("", *s.Items)}
		}
	case s.Type == "object":
		value = map[string]any{}
	default:
		value = "x"
	}
	text, _ := json.Marshal(value)
	return text
}

// object writes fields in the order of their names.
func object(fields map[string]json.RawMessage) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		quoted, _ := json.Marshal(name)
		text.Write(quoted)
		text.WriteByte(':')
		text.Write(fields[name])
	}
	return "{" + text.String() + "}"
}

// with returns the valid request with another value for a field.
func (op operation) with(name string, value string) request {
	r, fields := op.good, maps.Clone(op.fields)
	delete(fields, others[name])
	fields[name] = json.RawMessage(value)
	r.body = object(fields)
	return r
}

// names returns the names of all fields of the body.
func (op operation) names() []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for _, fields := range []map[string]json.RawMessage{op.fields, op.more} {
			for name := range fields {
				if !yield(name, true) {
					return
				}
			}
		}
	})))
}

// queryValues are valid values for query parameters; other parameters stay empty.
var queryValues = map[string]string{
	"limit": "2", "before": "2100-01-01T00:00:00Z",
	"channel": "c", "tag": "t", "event_types": "a.made", "with_content": "true", "with_msg": "true",
	"include_archived": "true", "expunge": "false", "get_if_exists": "false", "endpoint_id": "hook",
	"exclude_apps_with_no_endpoints": "true", "exclude_apps_with_disabled_endpoints": "true",
	"exclude_apps_with_svix_play_endpoints": "true",
}
