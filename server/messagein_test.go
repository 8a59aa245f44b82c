package server

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// The schema's Go type is written by hand, so that brokers' messages can be decoded with it too.
func TestMessageInHasTheFieldsOfTheContract(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]reflect.Type{
		"MessageIn": reflect.TypeFor[MessageIn](), "TransformationsParams": reflect.TypeFor[TransformationsParams](),
	} {
		properties := maps.Clone(contract().Components.Schemas[name].Properties)
		for f := range in.Fields() {
			field := f.Tag.Get("json")
			if properties[field] == nil {
				t.Errorf("%s has no property %s", name, field)
			}
			delete(properties, field)
		}
		for field := range properties {
			t.Errorf("the property %s of %s is not read", field, name)
		}
	}
}

// For any body, a source with the format json stores or rejects the same message as a POST of that body.
func TestSourcesStoreWhatAPostStores(t *testing.T) {
	t.Parallel()
	decode, err := ingest.Format{}.Decoder("org_a")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`"eventType":"n","payload":` + oddPayload,
		`"eventType":"n","data":{}`,
		`"eventType":"n","payload":{},"data":{}`,
		`"eventType":"n","payload":null`,
		`"eventType":"n","payload":[]`,
		`"payload":{}`,
		`"eventType":"n","payload":{},"deliverAt":"` + testNow.Add(time.Hour).Format(time.RFC3339Nano) + `"`,
		`"eventType":"n","payload":{},"deliverAt":"` + testNow.Add(25*time.Hour).Format(time.RFC3339Nano) + `"`,
		`"eventType":"n","payload":{},"deliverAt":""`,
		`"eventType":"n","payload":{},"payloadRetentionPeriod":1`,
		`"eventType":"n","payload":{},"payloadRetentionHours":2160`,
		`"eventType":"n","payload":{},"payloadRetentionHours":2161`,
		`"eventType":"n","payload":{},"payloadRetentionHours":9223372036854775807`,
		`"eventType":"n","payload":{},"payloadRetentionPeriod":1,"payloadRetentionHours":24`,
		`"eventType":"n","payload":{},"eventId":"e","channels":["c","d","c"],"tags":["t","t"]`,
		`"eventType":"n","payload":{},"eventId":"order-1"`,
		`"eventType":"n","payload":{},"channels":[]`,
		`"eventType":"n","payload":{},"tags":[]`,
		`"eventType":"n","payload":{},"tags":[""]`,
		`"eventType":"n","payload":{},"eventId":null,"channels":null,"tags":null,"deliverAt":null,"transformationsParams":null`,
		`"eventType":"n","transformationsParams":{"rawPayload":"<a/>","headers":{"content-type":"text/xml"}}`,
		`"eventType":"n","transformationsParams":{"rawPayload":"<a/>","headers":{"content-type":"a\nb"}}`,
		`"eventType":"n","transformationsParams":{"headers":{"content-type":"text/xml"}},"payload":{}`,
		`"eventType":"n","payload":{},"EventId":5,"delayUntil":"soon"`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			posted, found := newFixture(t), newFixture(t)
			w := posted.ask(t, "POST", "/api/v1/app/one/msg", "{"+body+"}")
			in, err := decode(ingest.Message{Body: []byte(`{"application":"one",` + body + "}")})
			var reason string
			if err != nil {
				reason = err.Error()
			} else if err := found.ingest().MessageIngestMany(t.Context(), []core.IngestIn{in})[0].Err; err != nil {
				reason = core.Reason(err)
			}
			if (w.Code == http.StatusAccepted) != (reason == "") {
				t.Fatalf("a POST is answered %s; the source says %q", w.Body, reason)
			}
			if !reflect.DeepEqual(alike(posted.store.inserted), alike(found.store.inserted)) {
				t.Errorf("a POST stores %+v, the source %+v", posted.store.inserted, found.store.inserted)
			}
		})
	}
}

func (f *fixture) ingest() *core.Ingest {
	return core.NewIngest(f.store, inserter{f.store}, func() time.Time { return testNow })
}

// alike returns messages without the fields that are unique to each message.
func alike(messages []core.NewMessage) []core.NewMessage {
	messages = slices.Clone(messages)
	for i := range messages {
		messages[i].ID, messages[i].AppID, messages[i].KeyHash = "", core.AppID(strings.Repeat("x", len(messages[i].AppID))), nil
	}
	return messages
}
