package core

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestTextsOfClientsAreBounded tests each field at its bound, and one byte or item above it.
func TestTextsOfClientsAreBounded(t *testing.T) {
	t.Parallel()
	service, _ := fakeService(fakeTx{})
	flags := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprint("flag", i))
		}
		return names
	}
	schemas := func(n int) json.RawMessage {
		return json.RawMessage(`{"1":{"a":"` + strings.Repeat("a", n-len(`{"1":{"a":""}}`)) + `"}}`)
	}
	endpoint := func(in EndpointIn) error {
		in.URL, in.Version = "https://example.com/", 1
		return service.rules.validate(&in, "")
	}
	eventType := func(in EventTypeIn) error {
		in.Name = "a"
		imported := EventTypeImportIn{Types: []EventTypeIn{in}}.validate()
		if err := in.validate(); (err == nil) != (imported == nil) {
			t.Errorf("created: %v, imported: %v", err, imported)
		}
		return imported
	}
	for field, test := range map[string]struct {
		most int
		of   func(n int) error
	}{
		"name":        {4096, func(n int) error { return ApplicationIn{Name: strings.Repeat("a", n)}.validate() }},
		"description": {16384, func(n int) error { return endpoint(EndpointIn{Description: strings.Repeat("a", n)}) }},
		"metadata": {4096, func(n int) error {
			return endpoint(EndpointIn{Metadata: Metadata{"a": strings.Repeat("a", n-len(`{"a":""}`))}})
		}},
		"headers":                     {65536, func(n int) error { return endpoint(EndpointIn{Headers: headersOf(n)}) }},
		"eventTypes":                  {1000, func(n int) error { return endpoint(EndpointIn{EventTypes: flags(n)}) }},
		"an event type's description": {16384, func(n int) error { return eventType(EventTypeIn{Description: strings.Repeat("a", n)}) }},
		"schemas":                     {524288, func(n int) error { return eventType(EventTypeIn{Schemas: schemas(n)}) }},
		"featureFlags":                {1000, func(n int) error { return eventType(EventTypeIn{FeatureFlags: flags(n)}) }},
	} {
		if err := test.of(test.most); err != nil {
			t.Errorf("%s of %d: %.200v", field, test.most, err)
		}
		name := field[strings.LastIndex(field, " ")+1:]
		if err := test.of(test.most + 1); !IsKind(err, KindInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of %d: %.200v, want it refused by its name", field, test.most+1, err)
		}
	}
}

// headersOf returns headers of n bytes in total.
func headersOf(n int) Headers {
	h := Headers{}
	for i := 0; n > 0; i++ {
		name := fmt.Sprintf("x-%02d", i)
		value := min(max(n-len(name), 0), headerValueBytesMax)
		h[name] = strings.Repeat("a", value)
		n -= len(name) + value
	}
	return h
}

// TestHeadersArePatchedWithinBounds adds headers that are small on their own to stored ones.
func TestHeadersArePatchedWithinBounds(t *testing.T) {
	t.Parallel()
	e := anEndpoint(false)
	e.Headers = headersOf(65000)
	service, _ := fakeService(fakeTx{endpoint: e})
	add := func(n int) error {
		patch := HeadersPatch{Set: Headers{"y": strings.Repeat("b", n-len("y"))}}
		return service.EndpointHeadersPatch(t.Context(), Scope{OrgID: "org_a"}, "acme", "main", patch)
	}
	if err := add(536); err != nil {
		t.Error(err)
	}
	if err := add(537); !IsKind(err, KindInvalid) {
		t.Errorf("one byte more: %v", err)
	}
}
