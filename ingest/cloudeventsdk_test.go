package ingest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Events written by the CloudEvents SDK can be read.
func TestEventsOfTheSDKAreRead(t *testing.T) {
	t.Parallel()
	for contentType, data := range map[string]any{
		"application/json": map[string]any{"n": 1}, "text/json": []int{1}, "application/vnd.shop+json": map[string]any{"n": 1},
		"text/plain": "hello", "application/octet-stream": []byte("ab\n"),
	} {
		e := event.New()
		e.SetID("e-1")
		e.SetSource("https://shop.example/a?b")
		e.SetType("order.placed")
		e.SetSubject("ü \"b\"")
		e.SetTime(time.Date(2026, 1, 31, 9, 30, 0, 5, time.UTC))
		e.SetDataSchema("https://shop.example/schema")
		e.SetExtension("application", "acme")
		e.SetExtension("count", 7)
		e.SetExtension("paid", true)
		if err := e.SetData(contentType, data); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		in, why := read(t, Format{Format: FormatCloudEvents}, from(string(text)))
		if why != "" || in.AppRef != "acme" || in.EventType != "order.placed" || *in.EventID != "e-1" || !bytes.Equal(in.Payload, e.Data()) {
			t.Errorf("%s is read as %+v (%s)", text, in, why)
		}
		got, err := readEvent(from(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"subject": e.Subject(), "count": "7", "paid": "true", "datacontenttype": contentType} {
			if got.attribute(name) != want {
				t.Errorf("%s of %s is read as %q", name, text, got.attribute(name))
			}
		}
	}
}

// FuzzStructuredEvent reads arbitrary text: if the SDK reads it too, both must find the same.
func FuzzStructuredEvent(f *testing.F) {
	for _, members := range []string{
		`"data": {"a" : "\ud800"}`, `"datacontenttype": "text/plain", "data": "\u00e9"`, `"data_base64": "e30="`,
		`"subject": "a", "time": "2026-01-31T09:30:00Z", "dataschema": "a:b", "n": 1, "b": true, "s": "x", "z": null, "data": 1`,
		`"datacontenttype": "application/x+json", "data": "a"`, `"Name": "a", "data": "\/"`, `"data": null, "subject": ""`,
	} {
		f.Add(anEvent + ", " + members + "}")
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours := &cloudEvent{attributes: map[string]string{}}
		if ours.readStructured([]byte(text)) != nil || ours.check() != nil {
			return
		}
		var theirs event.Event
		if json.Unmarshal([]byte(text), &theirs) != nil || theirs.Validate() != nil {
			return
		}
		want := map[string]string{"id": theirs.ID(), "type": theirs.Type(), "subject": theirs.Subject(), "datacontenttype": theirs.DataContentType()}
		for name, value := range theirs.Extensions() {
			switch v := value.(type) {
			case string:
				want[name] = v
			case bool:
				want[name] = strconv.FormatBool(v)
			}
		}
		for name, value := range want {
			if got := ours.attribute(name); got != value {
				t.Errorf("%s of %q is %q, and to the SDK %q", name, text, got, value)
			}
		}
		if known := strings.HasSuffix(ours.mediaType(), "/json") || !ours.isJSON(); known && !bytes.Equal(bytes.TrimSpace(ours.data), bytes.TrimSpace(theirs.Data())) {
			t.Errorf("the data of %q is %q, and to the SDK %q", text, ours.data, theirs.Data())
		}
	})
}
