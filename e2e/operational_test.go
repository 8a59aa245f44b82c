package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// operationalOrg is the organisation that nobody may have a token for.
const operationalOrg = "org_00000000000OperationalWebhook"

func TestOperationalWebhookEndpointIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c, ctx, uid, secret := shared(t).tenant(t), t.Context(), "ops-"+random(), newSecret()
	api := c.OperationalWebhookEndpoint
	made := must(api.Create(ctx, svix.OperationalWebhookEndpointIn{
		Url: "https://Example.com", Uid: &uid, Description: new("Ours"), FilterTypes: []string{"message.attempt.failing", "endpoint.disabled"},
		Metadata: &map[string]string{"owner": "ada"}, ThrottleRate: new(uint16(5)), Secret: &secret,
	}, nil))(t)
	t.Cleanup(func() { _ = api.Delete(context.Background(), made.Id) })
	if made.Url != "https://example.com/" || *made.Uid != uid || made.Description != "Ours" || made.Metadata["owner"] != "ada" ||
		*made.ThrottleRate != 5 || !slices.Equal(made.FilterTypes, []string{"message.attempt.failing", "endpoint.disabled"}) || *made.Disabled {
		t.Errorf("created %+v", made)
	}
	for _, ref := range []string{made.Id, uid} {
		if got := must(api.Get(ctx, ref))(t); got.Id != made.Id || got.Url != made.Url {
			t.Errorf("by %s: got %+v, want %+v", ref, got, made)
		}
	}
	if got := must(api.GetSecret(ctx, uid))(t).Key; got != secret {
		t.Errorf("the secret is %q, want %q", got, secret)
	}
	rotated := newSecret()
	done(t, api.RotateSecret(ctx, made.Id, svix.OperationalWebhookEndpointSecretIn{Key: &rotated}, nil))
	if got := must(api.GetSecret(ctx, uid))(t).Key; got != rotated {
		t.Errorf("after rotation the secret is %q, want %q", got, rotated)
	}
	done(t, api.UpdateHeaders(ctx, uid, svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-A": "1", "x-api-key": "2"}}))

	updated := must(api.Update(ctx, made.Id, svix.OperationalWebhookEndpointUpdate{Url: "https://example.org/", Disabled: new(true)}))(t)
	if updated.Id != made.Id || updated.Url != "https://example.org/" || !*updated.Disabled || updated.Uid != nil || updated.FilterTypes != nil {
		t.Errorf("an update replaces everything; got %+v", updated)
	}
	headers := must(api.GetHeaders(ctx, made.Id))(t)
	if len(headers.Headers) != 1 || headers.Headers["X-A"] != "1" || !slices.Equal(headers.Sensitive, []string{"x-api-key"}) {
		t.Errorf("headers are %+v", headers)
	}

	_, err := api.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/", FilterTypes: []string{"invoice.paid"}}, nil)
	if err == nil || !strings.Contains(explain(err), "don't exist: invoice.paid") {
		t.Errorf("an event type that is no operational one: %v", err)
	}
	done(t, api.Delete(ctx, made.Id))
	_, err = api.Get(ctx, made.Id)
	refused(t, err, 404, "not_found")
}

func TestOperationalWebhookEndpointsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := newClient(t, s.url, s.token(t, "org_"+random()))
	api := c.OperationalWebhookEndpoint
	if empty := must(api.List(t.Context(), nil))(t); len(empty.Data) != 0 || !empty.Done || empty.Iterator != nil {
		t.Errorf("before any was made: %+v", empty)
	}
	// The first one by an upsert, so that this makes whatever it takes as well.
	want := []string{must(api.Update(t.Context(), "none", svix.OperationalWebhookEndpointUpdate{Url: "https://example.com/"}))(t).Id}
	for range 2 {
		want = append(want, must(api.Create(t.Context(), svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil))(t).Id)
	}
	slices.Sort(want)
	slices.Reverse(want) // the newest first
	var got []string
	options := svix.OperationalWebhookEndpointListOptions{Limit: new(uint64(2))}
	for done := false; !done; {
		page := must(api.List(t.Context(), &options))(t)
		for _, e := range page.Data {
			got = append(got, e.Id)
		}
		done, options.Iterator = page.Done, page.Iterator
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if apps := must(c.Application.List(t.Context(), nil))(t); len(apps.Data) != 0 {
		t.Errorf("the organisation has the applications %+v, and made none", apps.Data)
	}
}

func TestOperationalWebhookEndpointsAreTheOrganisationsAlone(t *testing.T) {
	t.Parallel()
	s, ctx, org := shared(t), t.Context(), "org_"+random()
	owner, stranger := newClient(t, s.url, s.token(t, org)), newClient(t, s.url, s.token(t, "org_"+random()))
	app := owner.application(t)
	customer := newClient(t, s.url, s.token(t, org, "--application", app))
	hook := must(owner.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/", Uid: new("ops")}, nil))(t).Id
	must(stranger.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil))(t)

	const path = "/api/v1/operational-webhook/endpoint/"
	for _, ref := range []string{hook, "ops"} {
		for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"GET", "/secret"}, {"GET", "/headers"}, {"PUT", "/headers"}, {"POST", "/secret/rotate"}} {
			stranger.call(t, 404, call[0], path+ref+call[1], `{"headers":{}}`)
			customer.call(t, 403, call[0], path+ref+call[1], `{"headers":{}}`)
		}
		for _, through := range []string{app, org} {
			for _, c := range []client{owner, stranger, customer} {
				c.call(t, 404, "GET", "/api/v1/app/"+through+"/endpoint/"+ref, "")
			}
		}
	}
	customer.call(t, 403, "GET", path, "")
	customer.call(t, 403, "POST", path, `{"url":"https://example.com/"}`)
	customer.call(t, 403, "PUT", path+"new", `{"url":"https://example.com/"}`)
	list := must(stranger.OperationalWebhookEndpoint.List(ctx, nil))(t)
	if len(list.Data) != 1 || list.Data[0].Id == hook {
		t.Errorf("another organisation lists %+v", list.Data)
	}
	if got := must(owner.OperationalWebhookEndpoint.Get(ctx, "ops"))(t); got.Id != hook {
		t.Errorf("afterwards the owner gets %+v", got)
	}
}

// With the keys that the SDK sends, each of them is made in a transaction that is open for longer.
func TestTheFirstOperationalWebhookEndpointsCanComeAtOnce(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := newClient(t, s.url, s.token(t, "org_"+random()))
	const n = 8
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			_, err := c.OperationalWebhookEndpoint.Create(t.Context(), svix.OperationalWebhookEndpointIn{Url: "https://example.com/"}, nil)
			if err != nil {
				t.Error(explain(err))
			}
		})
	}
	group.Wait()
	if list := must(c.OperationalWebhookEndpoint.List(t.Context(), nil))(t); len(list.Data) != n {
		t.Errorf("%d endpoints, want %d", len(list.Data), n)
	}
}

var watcherMethods = map[string]method{
	"OperationalWebhookEndpoint.List": func(t *testing.T, w walk) {
		id := w.watch(t)
		list := must(w.OperationalWebhookEndpoint.List(t.Context(), nil))(t)
		has(t, list.Data, id, func(e svix.OperationalWebhookEndpointOut) string { return e.Id })
	},
	"OperationalWebhookEndpoint.Create": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://example.com/")
	},
	"OperationalWebhookEndpoint.Get": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, must(w.OperationalWebhook.Endpoint.Get(t.Context(), id))(t).Id, id)
	},
	"OperationalWebhookEndpoint.Update": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointUpdate{Url: "https://updated.example/", Disabled: new(true)}
		must(w.OperationalWebhookEndpoint.Update(t.Context(), id, in))(t)
		same(t, must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://updated.example/")
	},
	"OperationalWebhookEndpoint.Delete": func(t *testing.T, w walk) {
		id := w.watch(t)
		done(t, w.OperationalWebhookEndpoint.Delete(t.Context(), id))
		got, err := w.OperationalWebhookEndpoint.Get(t.Context(), id)
		gone(t, got, err)
	},
	"OperationalWebhookEndpoint.GetHeaders": func(t *testing.T, w walk) {
		same(t, len(must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), w.watch(t)))(t).Headers), 0)
	},
	"OperationalWebhookEndpoint.UpdateHeaders": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}
		done(t, w.OperationalWebhookEndpoint.UpdateHeaders(t.Context(), id, in))
		same(t, must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), id))(t).Headers["X-A"], "1")
	},
	"OperationalWebhookEndpoint.GetSecret": func(t *testing.T, w walk) {
		same(t, must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), w.watch(t)))(t).Key[:6], "whsec_")
	},
	"OperationalWebhookEndpoint.RotateSecret": func(t *testing.T, w walk) {
		id, secret := w.watch(t), newSecret()
		done(t, w.OperationalWebhookEndpoint.RotateSecret(t.Context(), id, svix.OperationalWebhookEndpointSecretIn{Key: &secret}, nil))
		same(t, must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), id))(t).Key, secret)
	},
}
