package store

import (
	"testing"

	"github.com/postrider/postrider/core"
)

func TestEndpointHeadersAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	s, scope, ctx := w.service(), core.Scope{OrgID: testOrg}, t.Context()
	if err := s.EndpointHeadersUpdate(ctx, scope, "acme", string(e.ID), core.Headers{"x-A": "ä\t1", "X-B": ""}); err != nil {
		t.Fatal(err)
	}
	patch := core.HeadersPatch{Set: core.Headers{"x-c": "3"}, Delete: []string{"x-b"}}
	if err := s.EndpointHeadersPatch(ctx, scope, "acme", string(e.ID), patch); err != nil {
		t.Fatal(err)
	}
	got, err := w.EndpointGet(ctx, w.app.ID, string(e.ID))
	if err != nil || len(got.Headers) != 2 || got.Headers["x-A"] != "ä\t1" || got.Headers["x-c"] != "3" {
		t.Errorf("headers are %v, %v", got.Headers, err)
	}
	if !got.UpdatedAt.After(e.UpdatedAt) || got.URL != e.URL {
		t.Errorf("%+v came of %+v", got, e)
	}
	if err := s.EndpointHeadersUpdate(ctx, scope, "acme", string(e.ID), nil); err != nil {
		t.Fatal(err)
	}
	if text := value[string](w, "SELECT headers::text FROM endpoint WHERE id = $1", e.ID); text != "{}" {
		t.Errorf("no headers are stored as %s", text)
	}
	if got, err := w.EndpointGet(ctx, w.app.ID, string(other.ID)); err != nil || got.Headers["X-Team"] != "billing" {
		t.Errorf("another endpoint's headers are %v, %v", got.Headers, err)
	}
}
