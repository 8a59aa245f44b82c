package ingest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// The format json is the body of a POST to the API: every field of the API has the same effect here, and a field that
// the API ignores is ignored.
func TestFormatJSONIsABodyOfTheAPI(t *testing.T) {
	t.Parallel()
	const plain = `"eventType": "a", "payload": {"n": 1}`
	base := core.MessageIn{EventType: "a", Payload: []byte(`{"n": 1}`)}
	with := func(change func(*core.MessageIn)) core.MessageIn {
		in := base
		change(&in)
		return in
	}
	raw := func(contentType *string) core.MessageIn {
		return core.MessageIn{EventType: "a", Payload: []byte("<a/>\n"), Raw: true, ContentType: contentType}
	}
	for body, want := range map[string]core.MessageIn{
		`"eventType": "a", "data":  { "n" : 1.0 } `: with(func(in *core.MessageIn) { in.Payload = []byte(`{ "n" : 1.0 }`) }),
		plain + `, "deliverAt": "2026-01-31T10:30:00.5+01:00"`: with(func(in *core.MessageIn) {
			in.DeliverAt = new(time.Date(2026, 1, 31, 9, 30, 0, 500_000_000, time.UTC))
		}),
		plain + `, "payloadRetentionPeriod": 3`:                               with(func(in *core.MessageIn) { in.Retention = new(72 * time.Hour) }),
		plain + `, "payloadRetentionHours": 5`:                                with(func(in *core.MessageIn) { in.Retention = new(5 * time.Hour) }),
		plain + `, "tags": [], "channels": ["c", "c"]`:                        with(func(in *core.MessageIn) { in.Channels = []string{"c"} }),
		plain + `, "tags": ["t", "u", "t"], "eventId": "e"`:                   with(func(in *core.MessageIn) { in.Tags, in.EventID = []string{"t", "u"}, new("e") }),
		`"eventType": "a", "transformationsParams": {"rawPayload": "<a/>\n"}`: raw(nil),
		plain + `, "transformationsParams": {"rawPayload": "<a/>\n", "headers": {"Content-Type": "text/xml", "X-Other": 1}, "more": []}`: raw(new("text/xml")),
		plain + `, "Deliverat": 1, "Tags": 1, "idempotencyKey": "k", "more": {"a": "\ud800", "a": 1}`:                                    base,
		plain + `, "deliverAt": null, "payloadRetentionPeriod": null, "payloadRetentionHours": null, "transformationsParams": null,
			"eventId": null, "channels": null, "tags": null`: base,
	} {
		in, why := read(t, Format{}, from(` {"application": "acme", `+body+"}\n"))
		if why != "" || in.AppRef != "acme" || !reflect.DeepEqual(in.MessageIn, want) {
			t.Errorf("%s: got %+v (%s), want %+v", body, in.MessageIn, why, want)
		}
	}
}

func TestFormatJSONRefusesWhatTheAPIRefuses(t *testing.T) {
	t.Parallel()
	const plain = `"application": "acme", "eventType": "a", "payload": {}`
	for body, want := range map[string]string{
		plain + `, "deliverAt": "soon"`:                                                                                "deliverAt: The time cannot be read",
		plain + `, "deliverAt": ""`:                                                                                    "deliverAt: The time cannot be read",
		plain + `, "deliverAt": 1769851800`:                                                                            "deliverAt: expected a string, not number",
		plain + `, "deliverAt": null, "deliverAt": "2026-01-31"`:                                                       "deliverAt: given twice",
		plain + `, "payloadRetentionPeriod": "3"`:                                                                      "payloadRetentionPeriod: expected a whole number, not string",
		plain + `, "payloadRetentionPeriod": 3, "payloadRetentionHours": 72`:                                           "payloadRetentionHours: payloadRetentionPeriod and payloadRetentionHours are the same setting",
		plain + `, "data": {}`:                                                                                         "payload and data are the same field",
		plain + `, "transformationsParams": []`:                                                                        "transformationsParams: expected an object, not array",
		plain + `, "transformationsParams": {"rawPayload": {}}`:                                                        "transformationsParams.rawPayload: expected a string, not object",
		plain + `, "transformationsParams": {"rawPayload": "", "rawPayload": ""}`:                                      "transformationsParams.rawPayload: given twice",
		plain + `, "transformationsParams": {"rawPayload": "", "headers": {"content-type": 1}}`:                        "content-type must be a string",
		plain + `, "transformationsParams": {"rawPayload": "", "headers": {"content-type": "a", "Content-Type": "b"}}`: "content-type is given twice",
		`"application": {"uid": "acme", "name": "Acme"}, "eventType": "a", "payload": {}`:                              "application: expected a string, not object",
		`"application": null, "eventType": "a", "payload": {}`:                                                         "application: missing field",
		`"application": "acme", "eventType": "a", "eventType": "a", "payload": {}`:                                     "eventType: given twice",
	} {
		if _, got := read(t, Format{}, from("{"+body+"}")); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
