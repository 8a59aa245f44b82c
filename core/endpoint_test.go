package core_test

import (
	"slices"
	"strings"
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

func TestEndpointCreateMakesASecretUnlessGiven(t *testing.T) {
	t.Parallel()
	given := core.NewSecret()
	for name, test := range map[string]struct {
		rules  core.EndpointRules
		secret core.Secret
		prefix string
	}{
		"generated":         {core.EndpointRules{}, core.Secret{}, "whsec_"},
		"generated ed25519": {core.EndpointRules{SignatureType: core.SignatureEd25519}, core.Secret{}, "whpk_"},
		"given":             {core.EndpointRules{SignatureType: core.SignatureEd25519}, given, given.Text()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newService(test.rules)
			in := endpointIn("one")
			in.Secret = test.secret
			e, err := service.EndpointCreate(t.Context(), scope, "acme", in)
			if err != nil || !strings.HasPrefix(e.Secret.Text(), test.prefix) || store.Endpoints[0].Secret.Text() != e.Secret.Text() {
				t.Errorf("the secret is %s, %v", e.Secret.Text(), err)
			}
		})
	}
}

func TestEndpointRefusesATakenUID(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	_, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn("main"))
	wantError(t, err, core.KindConflict, "conflict")
	if err != nil && !strings.Contains(err.Error(), "The uid main belongs to another endpoint of this application") {
		t.Errorf("%v does not name the uid", err)
	}
	if _, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn("two")); err != nil {
		t.Fatal(err)
	}
	_, err = service.EndpointPatch(t.Context(), scope, "acme", "two", func(e *core.EndpointIn) { e.UID = new("main") })
	wantError(t, err, core.KindConflict, "conflict")
	if len(store.Endpoints) != 2 || *store.Endpoints[1].UID != "two" {
		t.Errorf("stored %+v", store.Endpoints)
	}
	wantTold(t, store, "endpoint.created")
}

func TestEndpointPatchThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*core.EndpointIn){
		"url":          func(e *core.EndpointIn) { e.URL = "http://example.com/" },
		"version":      func(e *core.EndpointIn) { e.Version = 0 },
		"throttleRate": func(e *core.EndpointIn) { e.ThrottleRate = new(int32(65536)) },
		"channels":     func(e *core.EndpointIn) { e.Channels = []string{} },
		"eventTypes":   func(e *core.EndpointIn) { e.EventTypes = []string{"order.plcaed"} },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{HTTPSOnly: true})
			_, err := service.EndpointPatch(t.Context(), scope, "acme", "main", func(e *core.EndpointIn) {
				e.Description = "changed"
				change(e)
			})
			wantField(t, err, field)
			if e := store.Endpoints[0]; e.Description != "" || len(store.Told) != 0 {
				t.Errorf("stored %+v, told %+v", e, store.Told)
			}
		})
	}
}

func TestEndpointKeepsASubscriptionToADeletedEventType(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	store.Endpoints[0].EventTypes = []string{"order.deleted"}
	e, err := service.EndpointPatch(t.Context(), scope, "acme", "main", func(e *core.EndpointIn) { e.Description = "d" })
	if err != nil || !slices.Equal(e.EventTypes, []string{"order.deleted"}) {
		t.Errorf("patched to %+v, %v", e, err)
	}
}

func TestEndpointDeleteIsTold(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	if err := service.EndpointDelete(t.Context(), scope, "acme", "main"); err != nil || len(store.Endpoints) != 0 {
		t.Errorf("%d endpoints are left, %v", len(store.Endpoints), err)
	}
	wantTold(t, store, "endpoint.deleted")
	err := service.EndpointDelete(t.Context(), scope, "acme", "main")
	wantError(t, err, core.KindNotFound, "not_found")
	if got := core.Reason(err); got != "There is no endpoint main in application app_1." {
		t.Errorf("got %s", got)
	}
	wantTold(t, store, "endpoint.deleted")
}

func TestEndpointListHoldsThoseOfTheApplication(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	store.Endpoints = append(store.Endpoints, core.Endpoint{AppID: "app_1", ID: "ep_0"}, core.Endpoint{AppID: "app_2", ID: "ep_2"})
	page := tenRows
	list, err := service.EndpointList(t.Context(), scope, "acme", page)
	if err != nil || !list.Done || len(list.Data) != 2 || list.Data[0].ID != "ep_0" || list.Data[1].ID != "ep_1" {
		t.Errorf("listed %+v, %v", list, err)
	}
	page.Limit = 1
	if list, err = service.EndpointList(t.Context(), scope, "acme", page); err != nil || list.Done || len(list.Data) != 1 {
		t.Errorf("a page of one: %+v, %v", list, err)
	}
}
