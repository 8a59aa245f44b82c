package server

import "testing"

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
