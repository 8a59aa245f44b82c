package server

import (
	"strings"
	"testing"
)

func TestEventTypeDeleteArchivesUnlessToldToExpunge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantStatus(t, f.ask(t, "DELETE", "/api/v1/event-type/a.made", ""), 204)
	wantStatus(t, f.ask(t, "GET", "/api/v1/event-type/a.made", ""), 200, `"archived":true`)
	wantStatus(t, f.ask(t, "DELETE", "/api/v1/event-type/a.made?expunge=true", ""), 204)
	wantStatus(t, f.ask(t, "GET", "/api/v1/event-type/a.made", ""), 404)
}

func TestNullSchemasAreNoSchemas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantStatus(t, f.ask(t, "POST", "/api/v1/event-type", `{"name":"n","description":"","schemas":null}`), 201)
	wantStatus(t, f.ask(t, "PATCH", "/api/v1/event-type/a.made", `{"schemas":null}`), 200)
	for _, i := range []int{0, 2} {
		if got := f.store.types[i]; got.Schemas != nil {
			t.Errorf("%s is stored with the schemas %s", got.Name, got.Schemas)
		}
	}
}

func TestASchemaFullOfFaultsIsAnsweredInShort(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 500_000)
	schema := `{"properties":{"` + name + `":{"required":[` + strings.TrimSuffix(strings.Repeat("1,", 40_000), ",") + `]}}}`
	w := newFixture(t).ask(t, "POST", "/api/v1/event-type", `{"name":"n","description":"","schemas":{"1":`+schema+`}}`)
	wantStatus(t, w, 422, "got number, want string")
	if w.Body.Len() > 20_000 {
		t.Errorf("the answer has %d bytes", w.Body.Len())
	}
}

func TestSchemasAreStoredAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const schemas = `{"1": {"type":"object", "title":"\u0041", "maximum":1.0}}`
	wantStatus(t, f.ask(t, "POST", "/api/v1/event-type", `{"name":"n","description":"","schemas":`+schemas+`}`), 201)
	if got := f.store.types[len(f.store.types)-1]; got.Name != "n" || string(got.Schemas) != schemas {
		t.Errorf("%s is stored with %s", got.Name, got.Schemas)
	}
}
