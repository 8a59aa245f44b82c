package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// operationalOrg is the organisation that no token may be issued for.
const operationalOrg = "org_00000000000OperationalWebhook"

func TestOperationalWebhookEndpointIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c, ctx, uid, secret := rig.Shared(t).NewTenant(t), t.Context(), "ops-"+rig.Random(), rig.NewSecret()
	api := c.OperationalWebhookEndpoint
	made := rig.Must(api.Create(ctx, svix.OperationalWebhookEndpointIn{
		Url: "https://Example.com", Uid: &uid, Description: new("Ours"), FilterTypes: []string{"message.attempt.failing", "endpoint.disabled"},
		Metadata: &map[string]string{"owner": "ada"}, ThrottleRate: new(uint16(5)), Secret: &secret,
	}, nil))(t)
	t.Cleanup(func() { _ = api.Delete(context.Background(), made.Id) })
	if made.Url != "https://example.com/" || *made.Uid != uid || made.Description != "Ours" || made.Metadata["owner"] != "ada" ||
		*made.ThrottleRate != 5 || !slices.Equal(made.FilterTypes, []string{"message.attempt.failing", "endpoint.disabled"}) || *made.Disabled {
		t.Errorf("created %+v", made)
	}
	for _, ref := range []string{made.Id, uid} {
		if got := rig.Must(api.Get(ctx, ref))(t); got.Id != made.Id || got.Url != made.Url {
			t.Errorf("by %s: got %+v, want %+v", ref, got, made)
		}
	}
	if got := rig.Must(api.GetSecret(ctx, uid))(t).Key; got != secret {
		t.Errorf("the secret is %q, want %q", got, secret)
	}
	rotated := rig.NewSecret()
	rig.NoError(t, api.RotateSecret(ctx, made.Id, svix.OperationalWebhookEndpointSecretIn{Key: &rotated}, nil))
	if got := rig.Must(api.GetSecret(ctx, uid))(t).Key; got != rotated {
		t.Errorf("after rotation the secret is %q, want %q", got, rotated)
	}
	rig.NoError(t, api.UpdateHeaders(ctx, uid, svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-A": "1", "x-api-key": "2"}}))

	updated := rig.Must(api.Update(ctx, made.Id, svix.OperationalWebhookEndpointUpdate{Url: "https://example.org/", Disabled: new(true)}))(t)
	if updated.Id != made.Id || updated.Url != "https://example.org/" || !*updated.Disabled || updated.Uid != nil || updated.FilterTypes != nil {
		t.Errorf("an update replaces everything; got %+v", updated)
	}
	headers := rig.Must(api.GetHeaders(ctx, made.Id))(t)
	if len(headers.Headers) != 1 || headers.Headers["X-A"] != "1" || !slices.Equal(headers.Sensitive, []string{"x-api-key"}) {
		t.Errorf("headers are %+v", headers)
	}

	_, err := api.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/", FilterTypes: []string{"invoice.paid"}}, nil)
	if err == nil || !strings.Contains(rig.Explain(err), "don't exist: invoice.paid") {
		t.Errorf("an event type that is no operational one: %v", err)
	}
	rig.NoError(t, api.Delete(ctx, made.Id))
	_, err = api.Get(ctx, made.Id)
	rig.WantRefused(t, err, 404, "not_found")
}

func TestOperationalWebhookEndpointListPages(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	api := c.OperationalWebhookEndpoint
	if empty := rig.Must(api.List(t.Context(), nil))(t); len(empty.Data) != 0 || !empty.Done || empty.Iterator != nil {
		t.Errorf("before any was made: %+v", empty)
	}
	// Create the first one by an upsert, which must also create everything that an endpoint needs.
	want := []string{rig.Must(api.Update(t.Context(), "none", svix.OperationalWebhookEndpointUpdate{Url: "https://example.com/"}))(t).Id}
	for range 2 {
		want = append(want, rig.Must(api.Create(t.Context(), svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil))(t).Id)
	}
	slices.Sort(want)
	slices.Reverse(want) // newest first
	var got []string
	options := svix.OperationalWebhookEndpointListOptions{Limit: new(uint64(2))}
	for done := false; !done; {
		page := rig.Must(api.List(t.Context(), &options))(t)
		for _, e := range page.Data {
			got = append(got, e.Id)
		}
		done, options.Iterator = page.Done, page.Iterator
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if apps := rig.Must(c.Application.List(t.Context(), nil))(t); len(apps.Data) != 0 {
		t.Errorf("the organisation has the applications %+v, and made none", apps.Data)
	}
}

func TestOperationalWebhookEndpointIsItsOrganisationsAlone(t *testing.T) {
	t.Parallel()
	s, ctx, org := rig.Shared(t), t.Context(), "org_"+rig.Random()
	owner, stranger := rig.NewClient(t, s.URL, s.NewToken(t, org)), rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	app := owner.NewApplication(t)
	customer := rig.NewClient(t, s.URL, s.NewToken(t, org, "--application", app))
	hook := rig.Must(owner.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/", Uid: new("ops")}, nil))(t).Id
	rig.Must(stranger.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil))(t)

	const path = "/api/v1/operational-webhook/endpoint/"
	for _, ref := range []string{hook, "ops"} {
		for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/secret"}, {"GET", "/headers"}, {"PUT", "/headers"}, {"POST", "/secret/rotate"}} {
			stranger.Call(t, 404, call[0], path+ref+call[1], `{"headers":{}}`)
			customer.Call(t, 403, call[0], path+ref+call[1], `{"headers":{}}`)
		}
		for _, through := range []string{app, org} {
			for _, c := range []rig.Client{owner, stranger, customer} {
				c.Call(t, 404, "GET", "/api/v1/app/"+through+"/endpoint/"+ref, "")
			}
		}
	}
	customer.Call(t, 403, "GET", path, "")
	customer.Call(t, 403, "POST", path, `{"url":"https://example.com/"}`)
	customer.Call(t, 403, "PUT", path+"new", `{"url":"https://example.com/"}`)
	list := rig.Must(stranger.OperationalWebhookEndpoint.List(ctx, nil))(t)
	if len(list.Data) != 1 || list.Data[0].Id == hook {
		t.Errorf("another organisation lists %+v", list.Data)
	}
	if got := rig.Must(owner.OperationalWebhookEndpoint.Get(ctx, "ops"))(t); got.Id != hook {
		t.Errorf("afterwards the owner gets %+v", got)
	}
}

// TestOperationalWebhookEndpointsCanComeAtOnce creates endpoints concurrently. Because the SDK sends idempotency
// keys, each is created in a transaction that is open for longer.
func TestOperationalWebhookEndpointsCanComeAtOnce(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	const n = 8
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			_, err := c.OperationalWebhookEndpoint.Create(t.Context(), svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil)
			if err != nil {
				t.Error(rig.Explain(err))
			}
		})
	}
	group.Wait()
	if list := rig.Must(c.OperationalWebhookEndpoint.List(t.Context(), nil))(t); len(list.Data) != n {
		t.Errorf("%d endpoints, want %d", len(list.Data), n)
	}
}

var watcherMethods = map[string]method{
	"OperationalWebhookEndpoint.List": func(t *testing.T, w walk) {
		id := w.watch(t)
		list := rig.Must(w.OperationalWebhookEndpoint.List(t.Context(), nil))(t)
		has(t, list.Data, id, func(e svix.OperationalWebhookEndpointOut) string { return e.Id })
	},
	"OperationalWebhookEndpoint.Create": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, rig.Must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://example.com/")
	},
	"OperationalWebhookEndpoint.Get": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, rig.Must(w.OperationalWebhook.Endpoint.Get(t.Context(), id))(t).Id, id)
	},
	"OperationalWebhookEndpoint.Update": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointUpdate{Url: "https://updated.example/", Disabled: new(true)}
		rig.Must(w.OperationalWebhookEndpoint.Update(t.Context(), id, in))(t)
		same(t, rig.Must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://updated.example/")
	},
	"OperationalWebhookEndpoint.Delete": func(t *testing.T, w walk) {
		id := w.watch(t)
		rig.NoError(t, w.OperationalWebhookEndpoint.Delete(t.Context(), id))
		got, err := w.OperationalWebhookEndpoint.Get(t.Context(), id)
		gone(t, got, err)
	},
	"OperationalWebhookEndpoint.GetHeaders": func(t *testing.T, w walk) {
		same(t, len(rig.Must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), w.watch(t)))(t).Headers), 0)
	},
	"OperationalWebhookEndpoint.UpdateHeaders": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}
		rig.NoError(t, w.OperationalWebhookEndpoint.UpdateHeaders(t.Context(), id, in))
		same(t, rig.Must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), id))(t).Headers["X-A"], "1")
	},
	"OperationalWebhookEndpoint.GetSecret": func(t *testing.T, w walk) {
		same(t, rig.Must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), w.watch(t)))(t).Key[:6], "whsec_")
	},
	"OperationalWebhookEndpoint.RotateSecret": func(t *testing.T, w walk) {
		id, secret := w.watch(t), rig.NewSecret()
		rig.NoError(t, w.OperationalWebhookEndpoint.RotateSecret(t.Context(), id, svix.OperationalWebhookEndpointSecretIn{Key: &secret}, nil))
		same(t, rig.Must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), id))(t).Key, secret)
	},
}
