package ingest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

const org core.OrgID = "org_test"

// read returns a message as a format decodes it, or why it cannot.
func read(t *testing.T, f Format, m Message) (core.IngestIn, string) {
	t.Helper()
	decode, err := f.Decoder(org)
	if err != nil {
		t.Fatal(err)
	}
	in, err := decode(m)
	if err != nil {
		return in, err.Error()
	}
	return in, ""
}

// from returns a message with this body, and headers given as name, value, name, value.
func from(body string, headers ...string) Message {
	m := Message{Topic: "orders.eu", Key: "acme-7", Body: []byte(body), Headers: Headers{}}
	for i := 0; i < len(headers); i += 2 {
		m.Headers[headers[i]] = headers[i+1]
	}
	return m
}

func TestFormatsReadMessages(t *testing.T) {
	t.Parallel()
	const spaced = "{\"n\" : 1.50,\n \"text\": \"<Gr\u00fc\u00dfe>\"}"
	mapping := Format{Format: FormatMapping, Application: &Selector{Key: true}, EventType: &Selector{Topic: true}}
	deep := Format{
		Format: FormatMapping, Application: &Selector{Path: "$.customer.id"}, EventType: &Selector{Value: "order.placed"},
		EventID: &Selector{Header: "Order-ID"},
	}
	xml := Format{Format: FormatMapping, Application: &Selector{Header: "customer"}, EventType: &Selector{Topic: true}, ContentType: "text/xml"}
	events := Format{Format: FormatCloudEvents}
	bySubject := Format{Format: FormatCloudEvents, Application: &Selector{Attribute: "subject"}}
	binary := []string{"ce_specversion", "1.0", "ce_id", "e-1", "ce_source", "/shop", "ce_type", "order.placed", "ce_application", "acme"}
	amqp := []string{"cloudEvents:specversion", "1.0", "cloudEvents:id", "e-1", "cloudEvents:source", "/shop", "cloudEvents:type", "order.placed", "cloudEvents:application", "acme", "content-type", "application/json"}
	const envelope = `{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed", "subject": "acme", "application": "acme"`
	event := core.IngestIn{AppRef: "acme", MessageIn: core.MessageIn{EventType: "order.placed", EventID: new("e-1"), Payload: []byte(spaced)}}
	raw := func(in core.IngestIn, contentType, payload string) core.IngestIn {
		in.Raw, in.ContentType, in.Payload = true, &contentType, []byte(payload)
		return in
	}
	traced := event
	traced.TraceParent = new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	for name, test := range map[string]struct {
		format  Format
		message Message
		want    core.IngestIn
	}{
		"json": {Format{}, from(` {"application": "acme", "eventType": "order.placed", "payload":  ` + spaced + `}`),
			core.IngestIn{AppRef: "acme", MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(spaced)}}},
		"json with all": {Format{}, from(`{"application": "acme", "eventType": "a", "payload": {}, "eventId": "e-1", "channels": ["c"], "tags": ["t"], "more": 1}`),
			core.IngestIn{AppRef: "acme", MessageIn: core.MessageIn{EventType: "a", EventID: new("e-1"), Channels: []string{"c"}, Tags: []string{"t"}, Payload: []byte("{}")}}},
		"mapping of key and topic": {mapping, from(" " + spaced + "\n"),
			core.IngestIn{AppRef: "acme-7", MessageIn: core.MessageIn{EventType: "orders.eu", Payload: []byte(spaced)}}},
		"mapping of a path, a value and a header": {deep, from(`{"customer": {"id": 123456789012345678901}}`, "order-id", "o-1"),
			core.IngestIn{AppRef: "123456789012345678901", MessageIn: core.MessageIn{EventType: "order.placed", EventID: new("o-1"), Payload: []byte(`{"customer": {"id": 123456789012345678901}}`)}}},
		"mapping of what is no JSON": {xml, from(" <a/>", "customer", "acme"),
			raw(core.IngestIn{AppRef: "acme", MessageIn: core.MessageIn{EventType: "orders.eu"}}, "text/xml", " <a/>")},
		"structured event":                 {events, from(envelope+`, "data":  `+spaced+`}`, "content-type", "application/cloudevents+json; charset=utf-8"), event},
		"structured event, unannounced":    {events, from(envelope + `, "data":` + spaced + `}`), event},
		"event of a subject":               {bySubject, from(envelope + `, "data":` + spaced + `}`), event},
		"structured event with a trace":    {events, from(envelope + `, "traceparent": "` + *traced.TraceParent + `", "data":` + spaced + `}`), traced},
		"structured event of text":         {events, from(envelope + `, "datacontenttype": "text/plain", "data": "hello"}`), raw(event, "text/plain", "hello")},
		"structured event of encoded text": {events, from(envelope + `, "datacontenttype": "text/plain", "data_base64": "aGVsbG8="}`), raw(event, "text/plain", "hello")},
		"binary event":                     {events, from(spaced, binary...), event},
		"binary event of AMQP":             {events, from(spaced, amqp...), event},
		"binary event of text":             {events, from("hello", append(binary, "Content-Type", "text/plain")...), raw(event, "text/plain", "hello")},
	} {
		test.want.OrgID = org
		got, why := read(t, test.format, test.message)
		if why != "" || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v (%s), want %+v", name, got, why, test.want)
		}
	}
}

func TestFormatsSayWhatTheyCannotRead(t *testing.T) {
	t.Parallel()
	events := Format{Format: FormatCloudEvents}
	path := Format{Format: FormatMapping, Application: &Selector{Path: "$.who"}, EventType: &Selector{Header: "kind"}}
	const envelope = `{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "a"`
	for want, test := range map[string]struct {
		format  Format
		message Message
	}{
		"The body must be a JSON object":             {Format{}, from(`[]`)},
		"The body must be valid UTF-8":               {Format{}, from("{\"application\": \"\xff\"}")},
		"The body is not JSON: it is cut off":        {Format{}, from(`{"application": `)},
		"unexpected '{' at byte 4":                   {Format{}, from(`{} {}`)},
		"application: expected a string, not number": {Format{}, from(`{"application": 1}`)},
		"eventType: given twice":                     {Format{}, from(`{"application": "a", "eventType": "a", "payload": {}, "eventType": "b"}`)},
		"tags[0]: holds half of a":                   {Format{}, from(`{"application": "a", "eventType": "a", "payload": {}, "tags": ["\ud800"]}`)},
		"missing field `payload`":                    {Format{}, from(`{"application": "a", "eventType": "a", "Payload": {}}`)},
		"subject: given twice":                       {events, from(envelope + `, "subject": "a", "application": "a", "data": {}, "subject": "b"}`)},
		"application: given twice, in two spellings": {events, from(envelope + `, "Application": "b", "application": "a", "data": {}}`)},
		"subject: holds half of a":                   {events, from(envelope + `, "subject": "\udc00", "application": "a", "data": {}}`)},
		"data: holds half of a":                      {events, from(envelope + `, "application": "a", "datacontenttype": "text/plain", "data": "\ud800"}`)},
		"an attribute without a name":                {events, from(envelope + `, "application": "a", "": 1, "data": {}}`)},
		"ce_subject: given twice":                    {events, from(`{}`, "ce_specversion", "1.0", "ce_id", "1", "ce_source", "/", "ce_type", "a", "CE_Subject", "a", "ce_subject", "b")},
		"$[\"who\"]: given twice":                    {path, from(`{"who": "a", "who": "b"}`, "kind", "a")},
		"$[\"who\"]: holds half of":                  {path, from(`{"who": "\ud800"}`, "kind", "a")},
		"application: missing field `application`":   {Format{}, from(`{"eventType": "a", "payload": {}}`)},
		"eventType: missing field `eventType`":       {Format{}, from(`{"application": "a", "payload": {}}`)},
		"payload: missing field `payload`":           {Format{}, from(`{"application": "a", "eventType": "a"}`)},
		"it has 2097153 bytes":                       {Format{}, from(strings.Repeat(" ", core.IngestBytesMost+1))},
		"finds 0 values":                             {path, from(`{}`, "kind", "a")},
		"neither a string nor a number":              {path, from(`{"who": null}`, "kind", "a")},
		"it does not say its event_type":             {path, from(`{"who": "a"}`)},
		"it is a batch":                              {events, from(`[]`, "content-type", "application/cloudevents-batch+json")},
		"it is no CloudEvent":                        {events, from(`{"specversion": "2.0", "id": "e-1", "source": "/shop", "type": "a", "data": {}}`)},
		"id: it is missing or empty":                 {events, from(`{"specversion": "1.0", "source": "/shop", "type": "a", "data": {}}`)},
		"it does not say its application":            {events, from(envelope + `, "data": {}}`)},
		"nothing to send":                            {events, from(envelope + `, "application": "a"}`)},
		`version "0.3"`:                              {events, from(`{}`, "ce_specversion", "0.3", "ce_id", "1", "ce_source", "/", "ce_type", "a")},
	} {
		if _, got := read(t, test.format, test.message); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFormatsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]Format{
		"none of json":                {Format: "xml"},
		"say nothing of the format":   {Application: &Selector{Topic: true}},
		"application is missing":      {Format: FormatMapping, EventType: &Selector{Topic: true}},
		"event_type is missing":       {Format: FormatMapping, Application: &Selector{Topic: true}},
		"application: it needs one":   {Format: FormatMapping, Application: &Selector{}, EventType: &Selector{Topic: true}},
		"event_type: it needs one":    {Format: FormatMapping, Application: &Selector{Key: true}, EventType: &Selector{Topic: true, Key: true}},
		"event_id: it needs one":      {Format: FormatMapping, Application: &Selector{Key: true}, EventType: &Selector{Topic: true}, EventID: &Selector{}},
		"application: jsonpath":       {Format: FormatMapping, Application: &Selector{Path: "$["}, EventType: &Selector{Topic: true}},
		"only CloudEvents have them":  {Format: FormatMapping, Application: &Selector{Attribute: "a"}, EventType: &Selector{Topic: true}},
		"say nothing of CloudEvents:": {Format: FormatCloudEvents, EventType: &Selector{Topic: true}},
	} {
		if _, err := f.Decoder(org); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
}

// A payload may contain what the message around it may not.
func TestFormatsDoNotLookIntoPayloads(t *testing.T) {
	t.Parallel()
	const payload = `{"who": "acme", "a": 1, "a": "\udfff", "b": ["\ud800", {"x":1,"x":2}]}`
	const envelope = `{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "a", "application": "acme"`
	mapping := func(path string) Format {
		return Format{Format: FormatMapping, Application: &Selector{Path: path}, EventType: &Selector{Topic: true}}
	}
	for name, test := range map[string]struct {
		format Format
		body   string
	}{
		"json":                  {Format{}, `{"application": "acme", "eventType": "a", "Payload": {}, "more": {"a":1,"a":"\ud800"}, "payload":` + payload + `}`},
		"structured event":      {Format{Format: FormatCloudEvents}, envelope + `, "data":` + payload + `}`},
		"mapping":               {mapping("$.who"), payload},
		"mapping that compares": {mapping(`$[?@ == "acme" && @ != $.a && @ > "a" && length(@) == 4]`), payload},
		"mapping that matches":  {mapping(`$[?match(@, "ac.*") || @.x == 1]`), payload},
	} {
		in, why := read(t, test.format, from(test.body))
		if why != "" || in.AppRef != "acme" || string(in.Payload) != payload {
			t.Errorf("%s: %q for %q (%s)", name, in.Payload, in.AppRef, why)
		}
	}
}

// An event's id need not be a valid id of ours.
func TestEventIDsOfCloudEvents(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, id := range []string{"order:1", "order:2", "a b", strings.Repeat("x", 300), "msg_1", "ümlaut"} {
		text, err := json.Marshal(map[string]any{"specversion": "1.0", "id": id, "source": "/", "type": "a", "application": "acme", "data": map[string]any{}})
		if err != nil {
			t.Fatal(err)
		}
		in, why := read(t, Format{Format: FormatCloudEvents}, from(string(text)))
		if why != "" || !core.IsEventID(*in.EventID) || ids[*in.EventID] {
			t.Errorf("%q became %v (%s)", id, in.EventID, why)
			continue
		}
		ids[*in.EventID] = true
	}
}

// FuzzDecode checks that a decoder returns for any message, and that what it passes on as JSON is JSON.
func FuzzDecode(f *testing.F) {
	f.Add(`{"application": "acme", "eventType": "a", "payload": {"n": 1}}`, "ce_type")
	f.Add(`{"application": "acme", "eventType": "a", "transformationsParams": {"rawPayload": "a"}, "deliverAt": "2026-01-31"}`, "ce-type")
	f.Add(`{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "a", "application": "acme", "data": {}}`, "content-type")
	f.Add(`{"specversion": "1.0", "data": {}, "datacontenttype": "text/plain", "data_base64": "aGVsbG8="}`, "ce_specversion")
	mapping := Format{Format: FormatMapping, Application: &Selector{Path: "$..a"}, EventType: &Selector{Header: "h"}}
	var decoders []Decoder
	for _, format := range []Format{{}, {Format: FormatCloudEvents}, mapping} {
		decode, err := format.Decoder(org)
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, decode)
	}
	f.Fuzz(func(t *testing.T, body, header string) {
		for _, decode := range decoders {
			in, err := decode(from(body, header, body, "h", header, "ce_specversion", "1.0", "ce_id", header, "ce_source", body))
			if err == nil && !in.Raw && !json.Valid(in.Payload) {
				t.Errorf("no JSON: %q", in.Payload)
			}
			if in, err = decode(from(body, header, body)); err == nil && !in.Raw && !json.Valid(in.Payload) {
				t.Errorf("no JSON: %q", in.Payload)
			}
		}
	})
}
