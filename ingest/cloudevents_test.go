package ingest

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

const anEvent = `{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "a", "application": "acme"`

// modes returns an event with these attributes and the data {} in each mode in which it can arrive.
func modes(t *testing.T, attributes map[string]string) map[string]Message {
	t.Helper()
	envelope := map[string]any{"data": map[string]any{}}
	for name, value := range attributes {
		envelope[name] = value
	}
	text, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]Message{"structured": from(string(text), "Content-Type", "application/cloudevents+json")}
	for _, prefix := range []string{"ce_", "ce-", "cloudEvents:", "cloudEvents_", "CE_"} {
		m := from("{}")
		for name, value := range attributes {
			m.Headers[prefix+name] = value
		}
		messages["binary "+prefix] = m
	}
	return messages
}

// An attribute is valid or invalid in all modes alike.
func TestCloudEventsHaveOneVerdictInAllModes(t *testing.T) {
	t.Parallel()
	good := map[string]string{"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "a", "application": "acme"}
	for name, test := range map[string]struct {
		name, value string // "absent": not present
		want        string // why it is refused; "": accepted
	}{
		"plain":                         {"type", "a", ""},
		"version 0.3":                   {"specversion", "0.3", `version "0.3" is not 1.0`},
		"version 1.1":                   {"specversion", "1.1", `version "1.1" is not 1.0`},
		"version of an SDK":             {"specversion", "1.0.2", `version "1.0.2" is not 1.0`},
		"empty version":                 {"specversion", "", "specversion: it is missing"},
		"empty id":                      {"id", "", "id: it is missing or empty"},
		"blank id":                      {"id", " ", "id: it is missing or empty"},
		"no id":                         {"id", "absent", "id: it is missing or empty"},
		"empty source":                  {"source", "", "source: it is missing or empty"},
		"no source":                     {"source", "absent", "source: it is missing or empty"},
		"source that is no URI":         {"source", ":", "source: it is no URI reference"},
		"source with a broken escape":   {"source", "/a%zz", "source: it is no URI reference"},
		"source that is a URI":          {"source", "https://shop.example/a?b#c", ""},
		"source that is a URN":          {"source", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", ""},
		"empty type":                    {"type", "", "type: it is missing or empty"},
		"no type":                       {"type", "absent", "type: it is missing or empty"},
		"empty subject":                 {"subject", "", ""},
		"subject":                       {"subject", "a b", ""},
		"empty schema":                  {"dataschema", "", ""},
		"relative schema":               {"dataschema", "/schema", "dataschema: it is no absolute URI"},
		"schema that is no URI":         {"dataschema", ":", "dataschema: it is no absolute URI"},
		"schema":                        {"dataschema", "https://shop.example/schema", ""},
		"empty time":                    {"time", "", ""},
		"time":                          {"time", "2018-04-05T17:31:00.123456789+02:00", ""},
		"leap second":                   {"time", "2016-12-31T23:59:60Z", ""},
		"leap second east of Greenwich": {"time", "2017-01-01T05:29:60.5+05:30", ""},
		"second 61":                     {"time", "2016-12-31T23:59:61Z", "time: it is not as in 2026-01-31T09:30:00Z"},
		"lower-case time":               {"time", "2016-12-31t23:59:59z", ""},
		"time without a zone":           {"time", "2016-12-31T23:59:59", "time: it is not as in"},
		"date":                          {"time", "2016-12-31", "time: it is not as in"},
		"word for a time":               {"time", "now", "time: it is not as in"},
		"content type":                  {"datacontenttype", "application/json", ""},
		"content type in upper case":    {"datacontenttype", "Application/JSON; Charset=UTF-8", ""},
		"empty content type":            {"datacontenttype", "", ""},
		"content type that is none":     {"datacontenttype", "bad type", "datacontenttype: mime:"},
		"extension":                     {"partitionkey2", "k", ""},
		"empty extension":               {"partitionkey2", "", ""},
		"extension in another case":     {"partitionKey", "k", ""},
		"extension with a bad name":     {"partition_key", "k", "partition_key: a name is made of a to z and 0 to 9"},
		"empty application":             {"application", "", "it does not say its application"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attributes := maps.Clone(good)
			if attributes[test.name] = test.value; test.value == "absent" {
				delete(attributes, test.name)
			}
			for mode, m := range modes(t, attributes) {
				in, why := read(t, Format{Format: FormatCloudEvents}, m)
				want := core.IngestIn{OrgID: org, AppRef: "acme", MessageIn: core.MessageIn{EventType: "a", EventID: new("e-1"), Payload: []byte("{}")}}
				if test.want == "" && (why != "" || !reflect.DeepEqual(in, want)) || !strings.Contains(why, test.want) {
					t.Errorf("%s: got %+v (%s), want %q", mode, in, why, test.want)
				}
			}
		})
	}
}

// Data is the payload: JSON byte for byte, text and binary data decoded.
func TestCloudEventsBringTheirDataAsItIs(t *testing.T) {
	t.Parallel()
	const odd = `{ "n" : 1.50,"n":2, "text": "<Gr\u00fc\u00dfe>\ud800" }`
	for members, want := range map[string]struct {
		contentType, payload string // "": JSON
		refused              string
	}{
		`"data":  ` + odd + ` `:                                                {payload: odd},
		`"datacontenttype": null, "data": ` + odd:                              {payload: odd},
		`"datacontenttype": "application/json; charset=utf-8", "data": ` + odd: {payload: odd},
		`"datacontenttype": "APPLICATION/JSON", "data": ` + odd:                {payload: odd},
		`"datacontenttype": "application/x+json", "data":  ` + odd + ` `:       {contentType: "application/x+json", payload: odd},
		`"data": ` + odd + `, "datacontenttype": "application/x+json"`:         {contentType: "application/x+json", payload: odd},
		`"datacontenttype": "Application/Vnd.A+JSON; v=1", "data": [1, 2]`:     {contentType: "Application/Vnd.A+JSON; v=1", payload: "[1, 2]"},
		`"datacontenttype": "text/json", "data": "a\u0062"`:                    {contentType: "text/json", payload: `"a\u0062"`},
		`"datacontenttype": "application/x+json", "data": "{\"a\": 1.0}"`:      {contentType: "application/x+json", payload: `{"a": 1.0}`}, // of the Go SDK
		`"datacontenttype": "application/x+json", "data": "{\"a\": "`:          {contentType: "application/x+json", payload: `"{\"a\": "`},
		`"datacontenttype": "application/x+json", "data": "1"`:                 {contentType: "application/x+json", payload: `"1"`},
		`"datacontenttype": "text/json", "data": "{}"`:                         {contentType: "text/json", payload: `"{}"`},
		`"datacontenttype": "application/x+json", "data": null`:                {contentType: "application/x+json", payload: "null"},
		`"datacontenttype": "text/xml", "data": "<a b=\"\u00e9\"/>\n"`:         {contentType: "text/xml", payload: "<a b=\"é\"/>\n"},
		`"datacontenttype": "text/xml", "data": {"a":  1}`:                     {contentType: "text/xml", payload: `{"a":  1}`},
		`"datacontenttype": "text/plain", "data": ""`:                          {contentType: "text/plain"},
		`"datacontenttype": "application/jsonp", "data": "f()"`:                {contentType: "application/jsonp", payload: "f()"},
		`"data_base64": "eyAibiI6IDEgfQ=="`:                                    {payload: `{ "n": 1 }`},
		`"data_base64": "eyAibiI6IDEgfQ==", "data": null`:                      {payload: `{ "n": 1 }`},
		`"data_base64": null, "data": {}`:                                      {payload: `{}`},
		`"datacontenttype": "application/x+json", "data_base64": "Ww=="`:       {contentType: "application/x+json", payload: "["},
		`"datacontenttype": "text/plain", "data_base64": "aGVs\/\u0041=="`:     {contentType: "text/plain", payload: "hel\xfc"},

		`"data": {}, "data_base64": "e30="`:                 {refused: "data and data_base64"},
		`"data_base64": "e30"`:                              {refused: "data_base64: "},
		`"data_base64": 1`:                                  {refused: "data_base64: expected a string"},
		`"data_base64": "e2Jyb2tlbg=="`:                     {refused: "it cannot be read"},
		`"data_base64": ""`:                                 {refused: "it is no JSON object"},
		`"data": null`:                                      {refused: "it is no JSON object"},
		`"data": "{}"`:                                      {refused: "it is no JSON object"},
		`"data": [1]`:                                       {refused: "it is no JSON object"},
		`"datacontenttype": "text/plain", "data": null`:     {refused: "nothing to send"},
		`"datacontenttype": "text/plain", "data": "\udc00"`: {refused: "data: holds half of a"},
		`"datacontenttype": "text/plain"`:                   {refused: "nothing to send"},
		`"Subject": "a", "data": {}`:                        {refused: "Subject: its name is written subject"},
		`"dataContentType": null, "data": {}`:               {refused: "dataContentType: its name is written datacontenttype"},
		`"Data": {}`:                                        {refused: "Data: "},
		`"Data": "", "data": {}`:                            {refused: "Data: "},
	} {
		in, why := read(t, Format{Format: FormatCloudEvents}, from(anEvent+", "+members+"}"))
		if want.refused != "" {
			if !strings.Contains(why, want.refused) {
				t.Errorf("%s: got %q (%s), want %q", members, in.Payload, why, want.refused)
			}
			continue
		}
		contentType := ""
		if in.ContentType != nil {
			contentType = *in.ContentType
		}
		if why != "" || string(in.Payload) != want.payload || contentType != want.contentType || in.Raw != (want.contentType != "") {
			t.Errorf("%s: got %q of type %q (%s), want %q of type %q", members, in.Payload, contentType, why, want.payload, want.contentType)
		}
	}
}

// Extensions are text, numbers and booleans; null means absent.
func TestCloudEventsHaveExtensionsOfAllTypes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"a"`: "a", `12`: "12", `-1`: "-1", `99999999999`: "99999999999", `true`: "true", `false`: "false",
		`null`: "", `{}`: "", `["a"]`: "", `""`: "",
	} {
		in, why := read(t, Format{Format: FormatCloudEvents, Application: &Selector{Attribute: "customerId"}}, from(anEvent+`, "customerid": `+value+`, "data": {}}`))
		if in.AppRef != want || (why == "") != (want != "") {
			t.Errorf("%s is %q (%s), want %q", value, in.AppRef, why, want)
		}
	}
	for _, name := range []string{"id", "source", "type", "specversion", "subject", "time", "dataschema", "datacontenttype"} {
		members := map[string]any{"specversion": "1.0", "id": "e", "source": "/", "type": "a", "application": "acme", "data": map[string]any{}}
		members[name] = 1
		text, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if _, why := read(t, Format{Format: FormatCloudEvents}, from(string(text))); !strings.Contains(why, name+": expected a string") {
			t.Errorf("%s that is a number: %q", name, why)
		}
	}
}

func TestCloudEventsAreKnownByTheirContentType(t *testing.T) {
	t.Parallel()
	binary := []string{"ce-specversion", "1.0", "ce-id", "b-1", "ce-source", "/", "ce-type", "b", "ce-application", "acme"}
	const data = anEvent + `, "data": {}}`
	for contentType, want := range map[string]string{
		"application/cloudevents+json": "a", "Application/CloudEvents+JSON; Charset=UTF-8": "a", "application/cloudevents": "a",
		"application/json": "b", "": "b",
	} {
		in, why := read(t, Format{Format: FormatCloudEvents}, from(data, append(binary, "Content-Type", contentType)...))
		if in.EventType != want {
			t.Errorf("%s: the event is %q (%s), want %q", contentType, in.EventType, why, want)
		}
	}
	for _, contentType := range []string{"application/cloudevents-batch+json", "APPLICATION/cloudevents-batch+json; charset=utf-8"} {
		if _, why := read(t, Format{Format: FormatCloudEvents}, from("["+data+"]", append(binary, "content-type", contentType)...)); why != "it is a batch of CloudEvents: send them one by one" {
			t.Errorf("%s: %q", contentType, why)
		}
	}
}

// NATS passes the content type as an attribute like any other; elsewhere it is a property of the message.
func TestBinaryCloudEventsHaveOneContentType(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"ce-", "ce_", "cloudEvents:", "cloudEvents_"} {
		headers := func(more ...string) []string {
			return append(more, prefix+"specversion", "1.0", prefix+"id", "e", prefix+"source", "/", prefix+"type", "a", prefix+"application", "acme")
		}
		for name, headers := range map[string][]string{
			"its own": headers("Content-Type", "text/plain"), "an attribute": headers(prefix+"datacontenttype", "text/plain"),
			"both": headers("content-type", "text/plain", prefix+"datacontenttype", "text/plain"),
		} {
			in, why := read(t, Format{Format: FormatCloudEvents}, from("hello", headers...))
			if why != "" || in.ContentType == nil || *in.ContentType != "text/plain" {
				t.Errorf("%s, %s: %+v (%s)", prefix, name, in, why)
			}
		}
		_, why := read(t, Format{Format: FormatCloudEvents}, from("hello", headers("content-type", "text/plain", prefix+"datacontenttype", "text/html")...))
		if !strings.Contains(why, "datacontenttype: it is not the content type of the message") {
			t.Errorf("%s: two types are read: %q", prefix, why)
		}
	}
}

// The HTTP and NATS bindings escape characters that a header cannot hold. Kafka and AMQP keep text unchanged.
func TestBinaryCloudEventsAreUnescapedWhereTheBindingEscapes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀", "%61%2f%2F": "a//", "100%": "100%", "5%zz%41": "5%zz%41", "a+b": "a+b",
		`"a b"`: "a b", `"a \"b\" \\ %25"`: `a "b" \ %`, `"`: `"`, `a "b" c`: `a "b" c`, " a ": "a",
	} {
		for prefix, want := range map[string]string{"ce-": want, "CE-": want, "ce_": strings.TrimSpace(value), "cloudEvents:": strings.TrimSpace(value), "cloudEvents_": strings.TrimSpace(value)} {
			m := from("{}", prefix+"specversion", "1.0", prefix+"id", "e", prefix+"source", "/", prefix+"type", "a", prefix+"subject", value)
			in, why := read(t, Format{Format: FormatCloudEvents, Application: &Selector{Attribute: "subject"}}, m)
			if in.AppRef != want {
				t.Errorf("%s%s: got %q (%s), want %q", prefix, value, in.AppRef, why, want)
			}
		}
	}
	m := from("{}", "ce-specversion", "1.0", "ce-id", "e", "ce-source", "/", "ce-type", "a", "ce-application", "acme", "ce-subject", "%C0%A0")
	if _, why := read(t, Format{Format: FormatCloudEvents}, m); !strings.Contains(why, "ce-subject: its escapes are not UTF-8") {
		t.Errorf("an overlong escape is read: %q", why)
	}
}

func TestBinaryCloudEventsHoldJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"{broken", "[]", `{"a": "` + "\xff" + `"}`, "", "null", "{} {}"} {
		m := from(body, "ce_specversion", "1.0", "ce_id", "e", "ce_source", "/", "ce_type", "a", "ce_application", "acme")
		if in, why := read(t, Format{Format: FormatCloudEvents}, m); why == "" {
			t.Errorf("%q is the payload %q", body, in.Payload)
		}
	}
}
