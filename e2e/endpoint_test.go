package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

func TestEndpointIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, eventType, uid := c.NewApplication(t), c.NewEventType(t), "hook-"+rig.Random()
	made := rig.Must(c.Endpoint.Create(ctx, app, svix.EndpointIn{
		Url: "https://Example.com", Uid: &uid, Description: new("The hook"), FilterTypes: []string{eventType},
		Channels: []string{"one", "two"}, Metadata: &map[string]string{"owner": "ada"}, ThrottleRate: new(uint16(5)),
	}, nil))(t)
	if made.Url != "https://example.com/" || *made.Uid != uid || made.Description != "The hook" || made.Metadata["owner"] != "ada" ||
		*made.ThrottleRate != 5 || !slices.Equal(made.FilterTypes, []string{eventType}) || len(made.Channels) != 2 || *made.Disabled {
		t.Errorf("created %+v", made)
	}
	for _, ref := range []string{made.Id, uid} {
		if got := rig.Must(c.Endpoint.Get(ctx, app, ref))(t); got.Id != made.Id || got.Url != made.Url {
			t.Errorf("by %s: got %+v, want %+v", ref, got, made)
		}
	}

	updated := rig.Must(c.Endpoint.Update(ctx, app, made.Id, svix.EndpointUpdate{Url: "https://example.org/hook", Disabled: new(true)}))(t)
	if updated.Id != made.Id || updated.Url != "https://example.org/hook" || !*updated.Disabled ||
		updated.Uid != nil || updated.FilterTypes != nil || updated.Channels != nil || len(updated.Metadata) != 0 {
		t.Errorf("an update replaces everything; got %+v", updated)
	}
	patched := rig.Must(c.Endpoint.Patch(ctx, app, made.Id, svix.EndpointPatch{
		Description: new("Patched"), Channels: utils.NewNullable([]string{"three"}),
	}))(t)
	if patched.Description != "Patched" || !slices.Equal(patched.Channels, []string{"three"}) || patched.Url != updated.Url || !*patched.Disabled {
		t.Errorf("a patch leaves the rest alone; got %+v", patched)
	}

	rig.NoError(t, c.Endpoint.Delete(ctx, app, made.Id))
	_, err := c.Endpoint.Get(ctx, app, made.Id)
	rig.WantRefused(t, err, 404, "not_found")
}

func TestEndpointListPages(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	var want, got []string
	for range 5 {
		want = append(want, rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id)
	}
	options := svix.EndpointListOptions{Limit: new(uint64(2))}
	for pages := 1; ; pages++ {
		page := rig.Must(c.Endpoint.List(t.Context(), app, &options))(t)
		for _, e := range page.Data {
			got = append(got, e.Id)
		}
		if page.Done != (pages == 3) {
			t.Fatalf("page %d: done is %v", pages, page.Done)
		}
		if page.Done {
			break
		}
		options.Iterator = page.Iterator
	}
	slices.Sort(want)
	slices.Reverse(want) // newest first
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEndpointSecretGeneratedVerifies(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := rig.Must(c.Endpoint.Create(ctx, app, svix.EndpointIn{Url: receiver.URL}, nil))(t)
	receiver.Secret = rig.Must(c.Endpoint.GetSecret(ctx, app, endpoint.Id))(t).Key
	if !strings.HasPrefix(receiver.Secret, "whsec_") || len(receiver.Secret) < len("whsec_")+32 {
		t.Errorf("the secret is %q", receiver.Secret)
	}
	receiver.Await(t, c.SendMessage(t, app)) // the receiver verifies the signature
}

// TestEndpointURLIsNormalised covers a former bug: nothing was ever delivered to a URL with a space in its query,
// because receivers answer such a request line with 400.
func TestEndpointURLIsNormalised(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	uris := make(chan string, 1)
	receiver := rig.NewReceiver(t, func(_ http.ResponseWriter, r *http.Request, _ rig.Arrival) { uris <- r.RequestURI })
	app := c.NewApplication(t)
	const given, normal = "a/../b%2Fc|d?q=a b&r=ü&s=100%#top", "b%2Fc%7Cd?q=a%20b&r=%C3%BC&s=100%"
	endpoint := rig.Must(c.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "\t" + receiver.URL + given, Secret: &receiver.Secret}, nil))(t)
	if endpoint.Url != receiver.URL+normal {
		t.Errorf("shown is %q, want %q", endpoint.Url, receiver.URL+normal)
	}
	receiver.Await(t, c.SendMessage(t, app))
	if got := <-uris; got != "/"+normal {
		t.Errorf("called is %q, want %q", got, "/"+normal)
	}
}

func TestEndpointSecretGivenIsKept(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, secret := c.NewApplication(t), rig.NewSecret()
	endpoint := rig.Must(c.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/", Secret: &secret}, nil))(t)
	if got := rig.Must(c.Endpoint.GetSecret(ctx, app, endpoint.Id))(t).Key; got != secret {
		t.Errorf("got %q, want %q", got, secret)
	}
}

func TestEndpointFiltersSelectMessages(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, paid, other := c.NewApplication(t), c.NewEventType(t), c.NewEventType(t)
	receiver := rig.NewReceiver(t, nil)
	all := receiver.NewEndpoint(t, c, app)
	byType := receiver.NewEndpointLike(t, c, app, svix.EndpointIn{FilterTypes: []string{paid}})
	byChannel := receiver.NewEndpointLike(t, c, app, svix.EndpointIn{Channels: []string{"red", "blue"}})
	byBoth := receiver.NewEndpointLike(t, c, app, svix.EndpointIn{FilterTypes: []string{paid}, Channels: []string{"red"}})
	receiver.NewEndpointLike(t, c, app, svix.EndpointIn{Disabled: new(true)})

	for _, test := range []struct {
		name, eventType string
		channels, want  []string
	}{
		{"the type", paid, nil, []string{all, byType}},
		{"another type", other, nil, []string{all}},
		{"another type in a channel", other, []string{"blue", "green"}, []string{all, byChannel}},
		{"the type in a channel", paid, []string{"red"}, []string{all, byType, byChannel, byBoth}},
		{"the type in another channel", paid, []string{"green"}, []string{all, byType}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := svix.MessageIn{EventType: test.eventType, Channels: test.channels, Payload: map[string]any{}}
			message := rig.Must(c.Message.Create(ctx, app, in, nil))(t).Id
			var got []string
			for _, a := range c.AwaitAttempts(t, app, message, len(test.want)) {
				got = append(got, a.EndpointId)
			}
			slices.Sort(got)
			if slices.Sort(test.want); !slices.Equal(got, test.want) {
				t.Errorf("attempts at %v, want %v", got, test.want)
			}
		})
	}
}

func TestEndpointDeletedOrDisabledGetsNothing(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, receiver, remaining := c.NewApplication(t), rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	deleted, disabled := receiver.NewEndpoint(t, c, app), receiver.NewEndpoint(t, c, app)
	remaining.NewEndpoint(t, c, app)
	first := c.SendMessage(t, app)
	c.AwaitAttempts(t, app, first, 3)

	rig.NoError(t, c.Endpoint.Delete(ctx, app, deleted))
	rig.Must(c.Endpoint.Patch(ctx, app, disabled, svix.EndpointPatch{Disabled: new(true)}))(t)
	second := c.SendMessage(t, app)
	remaining.Await(t, second)
	c.AwaitAttempts(t, app, second, 1)
	if got := len(receiver.All()); got != 2 {
		t.Errorf("%d webhooks arrived, want the 2 of the first message", got)
	}
}

var endpointMethods = map[string]method{
	"Endpoint.List": func(t *testing.T, w walk) {
		list := rig.Must(w.Endpoint.List(t.Context(), w.app, nil))(t)
		has(t, list.Data, w.endpoint, func(e svix.EndpointOut) string { return e.Id })
	},
	"Endpoint.Create": func(t *testing.T, w walk) {
		in := svix.EndpointIn{Url: "https://made.example/", Uid: new("made"), Disabled: new(true), Channels: []string{"red"}}
		made := rig.Must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t)
		got := rig.Must(w.Endpoint.Get(t.Context(), w.app, "made"))(t)
		same(t, got.Id+got.Url+got.Channels[0], made.Id+"https://made.example/red")
	},
	"Endpoint.Get": func(t *testing.T, w walk) {
		same(t, rig.Must(w.Endpoint.Get(t.Context(), w.app, w.endpoint))(t).Id, w.endpoint)
	},
	"Endpoint.Update": func(t *testing.T, w walk) {
		hook := w.hook(t)
		rig.Must(w.Endpoint.Update(t.Context(), w.app, hook, svix.EndpointUpdate{Url: "https://updated.example/", Disabled: new(true)}))(t)
		same(t, rig.Must(w.Endpoint.Get(t.Context(), w.app, hook))(t).Url, "https://updated.example/")
	},
	"Endpoint.Patch": func(t *testing.T, w walk) {
		hook := w.hook(t)
		rig.Must(w.Endpoint.Patch(t.Context(), w.app, hook, svix.EndpointPatch{Description: new("Patched")}))(t)
		same(t, rig.Must(w.Endpoint.Get(t.Context(), w.app, hook))(t).Description, "Patched")
	},
	"Endpoint.Delete": func(t *testing.T, w walk) {
		hook := w.hook(t)
		rig.NoError(t, w.Endpoint.Delete(t.Context(), w.app, hook))
		got, err := w.Endpoint.Get(t.Context(), w.app, hook)
		gone(t, got, err)
	},
	"Endpoint.GetStats": func(t *testing.T, w walk) {
		same(t, rig.Must(w.Endpoint.GetStats(t.Context(), w.app, w.endpoint, nil))(t).Success > 0, true)
	},
	"Endpoint.SendExample": func(t *testing.T, w walk) {
		sent := rig.Must(w.Endpoint.SendExample(t.Context(), w.app, w.endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil))(t)
		same(t, rig.Must(w.Message.Get(t.Context(), w.app, sent.Id, nil))(t).EventType, "svix.ping")
	},
}

var endpointSecretMethods = map[string]method{
	"Endpoint.GetSecret": func(t *testing.T, w walk) {
		secret := rig.NewSecret()
		in := svix.EndpointIn{Url: "https://example.com/", Disabled: new(true), Secret: &secret}
		hook := rig.Must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t).Id
		same(t, rig.Must(w.Endpoint.GetSecret(t.Context(), w.app, hook))(t).Key, secret)
	},
	"Endpoint.RotateSecret": func(t *testing.T, w walk) {
		hook, secret := w.hook(t), rig.NewSecret()
		rig.NoError(t, w.Endpoint.RotateSecret(t.Context(), w.app, hook, svix.EndpointSecretRotateIn{Key: &secret}, nil))
		same(t, rig.Must(w.Endpoint.GetSecret(t.Context(), w.app, hook))(t).Key, secret)
	},
	"Endpoint.GetHeaders": func(t *testing.T, w walk) {
		same(t, len(rig.Must(w.Endpoint.GetHeaders(t.Context(), w.app, w.hook(t)))(t).Headers), 0)
	},
	"Endpoint.UpdateHeaders": func(t *testing.T, w walk) {
		hook := w.hook(t)
		rig.NoError(t, w.Endpoint.UpdateHeaders(t.Context(), w.app, hook, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}))
		same(t, rig.Must(w.Endpoint.GetHeaders(t.Context(), w.app, hook))(t).Headers["X-A"], "1")
	},
	"Endpoint.PatchHeaders": func(t *testing.T, w walk) {
		hook := w.hook(t)
		rig.NoError(t, w.Endpoint.UpdateHeaders(t.Context(), w.app, hook, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1", "X-B": "2"}}))
		patch := svix.EndpointHeadersPatchIn{Headers: map[string]string{"X-C": "3"}, DeleteHeaders: []string{"X-A"}}
		rig.NoError(t, w.Endpoint.PatchHeaders(t.Context(), w.app, hook, patch))
		want := map[string]string{"X-B": "2", "X-C": "3"}
		if got := rig.Must(w.Endpoint.GetHeaders(t.Context(), w.app, hook))(t).Headers; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	},
}
