package core_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestEndpointHeadersHideCredentials(t *testing.T) {
	t.Parallel()
	service, _ := newSent(core.EndpointRules{})
	shown, sensitive, err := service.EndpointHeadersGet(t.Context(), scope, "acme", "main")
	if err != nil || !maps.Equal(shown, core.Headers{"X-A": "1"}) || !slices.Equal(sensitive, []string{"Authorization"}) {
		t.Errorf("shown %v, hidden %v, %v", shown, sensitive, err)
	}
	_, _, err = service.EndpointHeadersGet(t.Context(), scope, "acme", "other")
	wantError(t, err, core.KindNotFound, "not_found")
}

func TestEndpointHeadersChange(t *testing.T) {
	t.Parallel()
	stored := core.Headers{"X-A": "1", "Authorization": "key"}
	update := func(h core.Headers) func(*core.Service) error {
		return func(s *core.Service) error { return s.EndpointHeadersUpdate(t.Context(), scope, "acme", "main", h) }
	}
	patch := func(p core.HeadersPatch) func(*core.Service) error {
		return func(s *core.Service) error { return s.EndpointHeadersPatch(t.Context(), scope, "acme", "main", p) }
	}
	for name, test := range map[string]struct {
		call  func(*core.Service) error
		want  core.Headers
		field string // at fault; empty: none
	}{
		"replaced":                {update(core.Headers{"X-B": "2"}), core.Headers{"X-B": "2"}, ""},
		"removed":                 {update(nil), core.Headers{}, ""},
		"patched":                 {patch(core.HeadersPatch{Set: core.Headers{"x-a": "2"}}), core.Headers{"x-a": "2", "Authorization": "key"}, ""},
		"deleted":                 {patch(core.HeadersPatch{Delete: []string{"AUTHORIZATION"}}), core.Headers{"X-A": "1"}, ""},
		"reserved, replaced":      {update(core.Headers{"User-Agent": "a"}), stored, "User-Agent"},
		"reserved, patched":       {patch(core.HeadersPatch{Set: core.Headers{"svix-id": "a"}}), stored, "svix-id"},
		"connection":              {update(core.Headers{"Transfer-Encoding": "chunked"}), stored, "Transfer-Encoding"},
		"two lines":               {patch(core.HeadersPatch{Set: core.Headers{"X-B": "a\r\nX-C: d"}}), stored, "X-B"},
		"name with a space":       {update(core.Headers{"X B": "a"}), stored, "X B"},
		"twice in two spellings":  {update(core.Headers{"X-B": "1", "x-b": "2"}), stored, "x-b"},
		"deletion of an old name": {patch(core.HeadersPatch{Delete: []string{"host"}}), stored, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			err := test.call(service)
			if test.field != "" {
				wantField(t, err, test.field)
			} else if err != nil {
				t.Error(err)
			}
			if got := store.Endpoints[0].Headers; !maps.Equal(got, test.want) {
				t.Errorf("stored %v, want %v", got, test.want)
			}
			if err == nil {
				wantTold(t, store, "endpoint.updated")
			} else {
				wantTold(t, store)
			}
		})
	}
}
