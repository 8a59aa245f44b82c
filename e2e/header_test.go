package e2e

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestEndpointHeadersArriveWithWebhooks(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := receiver.NewEndpointLike(t, c, app, svix.EndpointIn{Headers: &map[string]string{"X-Made": "with it"}})
	// next returns the headers of the next webhook.
	next := func() http.Header {
		t.Helper()
		message := c.SendMessage(t, app)
		receiver.Await(t, message)
		return receiver.Of(message)[0].Header
	}
	if got := next(); got.Get("X-Made") != "with it" {
		t.Errorf("an endpoint that was made with headers gets %v", got)
	}

	set := map[string]string{"X-Team": "billing", "x-trace": "on", "Authorization": "Bearer secret"}
	rig.NoError(t, c.Endpoint.UpdateHeaders(ctx, app, endpoint, svix.EndpointHeadersIn{Headers: set}))
	shown := rig.Must(c.Endpoint.GetHeaders(ctx, app, endpoint))(t)
	want := map[string]string{"X-Team": "billing", "x-trace": "on"}
	if !maps.Equal(shown.Headers, want) || !slices.Equal(shown.Sensitive, []string{"Authorization"}) {
		t.Errorf("shown are %+v, want %v and Authorization", shown, want)
	}
	got := next()
	if got.Get("X-Team") != "billing" || got.Get("X-Trace") != "on" || got.Get("Authorization") != "Bearer secret" || got.Get("X-Made") != "" {
		t.Errorf("after the headers were replaced by %v: %v", set, got)
	}

	// The SDK cannot send null.
	path := "/api/v1/app/" + app + "/endpoint/" + endpoint + "/headers"
	c.Call(t, 204, "PATCH", path, `{"headers":{"x-team":null,"X-Trace":"off"},"deleteHeaders":["authorization"]}`)
	rig.NoError(t, c.Endpoint.PatchHeaders(ctx, app, endpoint, svix.EndpointHeadersPatchIn{Headers: map[string]string{"X-New": "1"}}))
	got = next()
	if got.Values("X-Team") != nil || got.Get("X-Trace") != "off" || got.Values("Authorization") != nil || got.Get("X-New") != "1" {
		t.Errorf("after the headers were patched: %v", got)
	}
	if shown := rig.Must(c.Endpoint.GetHeaders(ctx, app, endpoint))(t); shown.Sensitive == nil || len(shown.Sensitive) != 0 {
		t.Errorf("shown are %+v, want an empty list of sensitive ones", shown)
	}
}

func TestEndpointHeadersReservedAreRefused(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	endpoint := rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	path := "/api/v1/app/" + app + "/endpoint/" + endpoint + "/headers"
	for _, body := range []string{
		`{"headers":{"Content-Type":"text/plain"}}`,
		`{"headers":{"svix-signature":"v1,x"}}`,
		`{"headers":{"Host":"hooks.example"}}`,
		`{"headers":{"Connection":"close"}}`,
		`{"headers":{"proxy-authorization":"Basic eDp5"}}`,
		`{"headers":{"X-A":"1","x-a":"2"}}`,
		`{"headers":{"X-A":"1\r\nX-B: 2"}}`,
	} {
		for method, kind := range map[string]string{"PUT": "value_error.jsondecode", "PATCH": "value_error"} {
			var answer struct{ Detail []struct{ Type string } }
			c.Call(t, 422, method, path, body).Decode(t, &answer)
			if len(answer.Detail) != 1 || answer.Detail[0].Type != kind {
				t.Errorf("%s %s: %+v, want one %s", method, body, answer, kind)
			}
		}
	}
	if got := rig.Must(c.Endpoint.GetHeaders(t.Context(), app, endpoint))(t); len(got.Headers) != 0 {
		t.Errorf("after all was refused the headers are %v", got.Headers)
	}
}
