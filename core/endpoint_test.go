package core_test

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func endpointIn(uid string) core.EndpointIn {
	return core.EndpointIn{UID: &uid, URL: "https://example.com/", Version: 1}
}

func TestEndpointCreateKeepsTheLimit(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{EndpointsMost: 2})
	for _, uid := range []string{"one", "two"} {
		if _, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn(uid)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn("three"))
	wantError(t, err, core.KindConflict, "too_many_endpoints")
	_, _, err = service.EndpointUpdate(t.Context(), scope, "acme", "three", endpointIn("three"))
	wantError(t, err, core.KindConflict, "too_many_endpoints")
	if _, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "two", endpointIn("two")); err != nil || bool(created) {
		t.Errorf("an update where there is no more room: created %t, %v", created, err)
	}
	if len(store.Endpoints) != 2 || len(store.Told) != 3 {
		t.Errorf("%d endpoints, told %+v", len(store.Endpoints), store.Told)
	}
}

func TestEndpointCreateRefusesUnknownEventTypes(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := endpointIn("one")
	in.EventTypes = []string{"order.placed", "order.plcaed"}
	_, err := service.EndpointCreate(t.Context(), scope, "acme", in)
	wantError(t, err, core.KindInvalid, "")
	in.EventTypes = in.EventTypes[:1]
	if _, err := service.EndpointCreate(t.Context(), scope, "acme", in); err != nil || len(store.Endpoints) != 1 {
		t.Errorf("%v, %d endpoints", err, len(store.Endpoints))
	}
}

func TestEndpointUpdateCreatesOrReplaces(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := endpointIn("one")
	in.FIFO = true
	made, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "one", in)
	if err != nil || !bool(created) || !made.FIFO {
		t.Fatalf("%+v, created %t, %v", made, created, err)
	}
	patched, err := service.EndpointPatch(t.Context(), scope, "acme", "one", func(e *core.EndpointIn) { e.Description = "d" })
	if err != nil || !patched.FIFO || patched.Description != "d" {
		t.Errorf("a patch of the description: %+v, %v", patched, err)
	}
	in.FIFO = false
	replaced, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "one", in)
	if err != nil || bool(created) || replaced.ID != made.ID || replaced.FIFO || replaced.Description != "" {
		t.Errorf("replaced by %+v, created %t, %v", replaced, created, err)
	}
	if got := store.Endpoints; len(got) != 1 || got[0].Secret.Text() != made.Secret.Text() {
		t.Errorf("stored %+v", got)
	}
	_, _, err = service.EndpointUpdate(t.Context(), scope, "nobody", "one", in)
	wantError(t, err, core.KindNotFound, "")
}

func TestEndpointThatIsEnabledBeginsAnew(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Endpoints = []core.Endpoint{{
		AppID: "app_1", ID: "ep_1", URL: "https://example.com/", Version: 1, Disabled: true,
		Health: core.Health{FailingSince: &now, Failures: 9, DisabledReason: new(core.DisabledFailing)},
	}}
	e, err := service.EndpointPatch(t.Context(), scope, "acme", "ep_1", func(e *core.EndpointIn) { e.Disabled = false })
	if err != nil || e.Disabled || e.Health != (core.Health{}) {
		t.Errorf("%+v, %v", e, err)
	}
	var told []string
	for _, event := range store.Told {
		told = append(told, event.Type)
	}
	if want := []string{"endpoint.updated", "endpoint.enabled"}; !slices.Equal(told, want) || len(store.Dropped) != 1 {
		t.Errorf("told %v, want %v; dropped %v", told, want, store.Dropped)
	}
}
