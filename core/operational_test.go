package core_test

import (
	"testing"

	"github.com/postrider/postrider/core"
)

func TestOperationalWebhookEndpointsAreOfTheOrganisation(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	page := tenRows
	if list, err := service.OperationalWebhookEndpointList(t.Context(), scope, page); err != nil || !list.Done || len(list.Data) != 0 {
		t.Errorf("at first %+v, %v", list, err)
	}
	_, err := service.OperationalWebhookEndpointGet(t.Context(), scope, "one")
	wantError(t, err, core.KindNotFound, "not_found")
	in := endpointIn("one")
	in.EventTypes = []string{"endpoint.disabled"}
	made, err := service.OperationalWebhookEndpointCreate(t.Context(), scope, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := service.OperationalWebhookEndpointGet(t.Context(), scope, "one"); err != nil || got.ID != made.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	if list, err := service.OperationalWebhookEndpointList(t.Context(), scope, page); err != nil || len(list.Data) != 1 {
		t.Errorf("listed %+v, %v", list, err)
	}
	other := core.Scope{OrgID: "org_b"}
	_, err = service.OperationalWebhookEndpointGet(t.Context(), other, string(made.ID))
	wantError(t, err, core.KindNotFound, "not_found")
	if list, err := service.OperationalWebhookEndpointList(t.Context(), other, page); err != nil || len(list.Data) != 0 {
		t.Errorf("listed for another organisation: %+v, %v", list, err)
	}
	if _, err := service.EndpointGet(t.Context(), scope, string(made.AppID), "one"); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("as an ordinary endpoint: %v", err)
	}
	if len(store.Applications) != 2 || len(store.Told) != 0 {
		t.Errorf("applications %+v, told %+v", store.Applications, store.Told)
	}
}

func TestOperationalWebhookEndpointThatIsRefusedLeavesNothing(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*core.EndpointIn){
		"url":        func(in *core.EndpointIn) { in.URL = "ftp://example.com/" },
		"eventTypes": func(in *core.EndpointIn) { in.EventTypes = []string{"order.placed"} }, // the organisation's own
		"version":    func(in *core.EndpointIn) { in.Version = 0 },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			service, store := newService(core.EndpointRules{})
			in := endpointIn("one")
			change(&in)
			_, err := service.OperationalWebhookEndpointCreate(t.Context(), scope, in)
			if wantField(t, err, field); len(store.Applications) != 1 || len(store.Endpoints) != 0 {
				t.Errorf("stored %+v", store.Rows)
			}
		})
	}
}

func TestOperationalWebhookEndpointUpdateKeepsAMaskedPassword(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := endpointIn("one")
	in.URL = "https://***@example.com/"
	_, _, err := service.OperationalWebhookEndpointUpdate(t.Context(), scope, "one", in)
	if wantField(t, err, "url"); len(store.Applications) != 1 {
		t.Errorf("stored %+v", store.Applications)
	}
	in.URL = "https://user:password@example.com/"
	if _, created, err := service.OperationalWebhookEndpointUpdate(t.Context(), scope, "one", in); err != nil || !bool(created) {
		t.Fatal(created, err)
	}
	in.URL, in.Description = "https://***@example.com/", "d"
	e, created, err := service.OperationalWebhookEndpointUpdate(t.Context(), scope, "one", in)
	if err != nil || bool(created) || e.URL != "https://user:password@example.com/" || e.Description != "d" {
		t.Errorf("updated to %+v, created %t, %v", e, created, err)
	}
	in.URL = "https://***@example.org/"
	_, _, err = service.OperationalWebhookEndpointUpdate(t.Context(), scope, "one", in)
	wantField(t, err, "url")
}

func TestOperationalWebhookEndpointSecretAndHeaders(t *testing.T) {
	t.Parallel()
	service, _ := newService(core.EndpointRules{})
	e, err := service.OperationalWebhookEndpointCreate(t.Context(), scope, endpointIn("one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := service.OperationalWebhookEndpointSecretRotate(t.Context(), scope, "one", core.SecretRotateIn{}); err != nil {
		t.Fatal(err)
	}
	if secret, err := service.OperationalWebhookEndpointSecretGet(t.Context(), scope, "one"); err != nil || secret.Text() == e.Secret.Text() {
		t.Errorf("the secret is %s, %v", secret.Text(), err)
	}
	if err := service.OperationalWebhookEndpointHeadersUpdate(t.Context(), scope, "one", core.Headers{"X-A": "1"}); err != nil {
		t.Fatal(err)
	}
	shown, _, err := service.OperationalWebhookEndpointHeadersGet(t.Context(), scope, "one")
	if err != nil || shown["X-A"] != "1" {
		t.Errorf("shown %v, %v", shown, err)
	}
	if err := service.OperationalWebhookEndpointDelete(t.Context(), scope, "one"); err != nil {
		t.Fatal(err)
	}
	err = service.OperationalWebhookEndpointDelete(t.Context(), scope, "one")
	if wantError(t, err, core.KindNotFound, "not_found"); core.Reason(err) != "There is no operational webhook endpoint one." {
		t.Errorf("got %v", err)
	}
}
