package core

import (
	"strings"
	"testing"
	"time"
)

// Clients remove the segments "." and ".." from a path, so DELETE /app/x/endpoint/.. would delete the application.
// Nothing that appears in a path may have such a name.
func TestDotNamesAreRefused(t *testing.T) {
	t.Parallel()
	f := &found{}
	service := NewService(f, f, nil, func() time.Time { return noon }, EndpointRules{})
	named := func(change func(*IngestIn)) error {
		in := ingestIn("1")
		change(&in)
		return f.ingest().MessageIngestMany(t.Context(), []IngestIn{in})[0].Err
	}
	for _, dots := range []string{".", ".."} {
		endpoint := EndpointIn{URL: "https://example.com/", Version: 1, UID: &dots}
		event := MessageIn{EventType: "a", Payload: []byte("{}")}
		event.EventID = &dots
		_, example := service.example(t.Context(), "org_a", dots, 0)
		_, precheck := service.MessagePrecheck(t.Context(), Scope{OrgID: "org_a"}, "acme", dots, nil)
		for name, err := range map[string]error{
			"uid of an application":    ApplicationIn{Name: "A", UID: &dots}.validate(),
			"uid of an endpoint":       service.rules.validate(&endpoint, ""),
			"event type":               EventTypeIn{Name: dots}.validate(),
			"imported event type":      EventTypeImportIn{Types: []EventTypeIn{{Name: dots}}}.validate(),
			"event type of a message":  MessageIn{EventType: dots, Payload: []byte("{}")}.validate(noon),
			"event type of an example": example,
			"event type of a precheck": precheck,
			"event id":                 event.validate(noon),
			"application of a source":  named(func(in *IngestIn) { in.AppRef = dots }),
			"event type of a source":   named(func(in *IngestIn) { in.EventType = dots }),
			"event id of a source":     named(func(in *IngestIn) { in.EventID = &dots }),
		} {
			if !IsKind(err, KindInvalid) || !strings.Contains(err.Error(), "must not be") {
				t.Errorf("%s %q: got %v, want it refused as a name", name, dots, err)
			}
		}
		if IsEventID(dots) {
			t.Errorf("%q can be an event id", dots)
		}
	}
	for _, name := range []string{"...", ".a", "a.", "a..b", "-.", "..-"} {
		if err := (EventTypeIn{Name: name}).validate(); err != nil {
			t.Errorf("event type %q: %v", name, err)
		}
	}
}
