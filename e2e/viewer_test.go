package e2e

import (
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// TestAViewerSeesNoSecretOfAnEndpoint reads with a read-only token wherever that reads, after the endpoint's password,
// headers and secret were used.
func TestAViewerSeesNoSecretOfAnEndpoint(t *testing.T) {
	t.Parallel()
	c, r := shared(t).tenant(t), newReceiver(t, nil)
	app := c.application(t)
	secrets := map[string]string{"X-Api-Key": "hidden-" + random(), "X-Auth-Token": "hidden-" + random()}
	url := strings.Replace(r.url, "://", "://"+userinfo, 1)
	endpoint := must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url, Secret: &r.secret, Headers: &secrets}, nil))(t).Id
	message := c.message(t, app)
	r.await(t, message)
	if got := r.of(message)[0].header; got.Get("X-Api-Key") != secrets["X-Api-Key"] || got.Get("Authorization") == "" {
		t.Errorf("the webhook came without its secrets: %v", got)
	}
	c.attempts(t, app, message, 1)

	viewer := c.access(t, app, svix.AppPortalAccessIn{ReadOnly: new(true)})
	for _, path := range []string{
		"", "/endpoint", "/endpoint/" + endpoint, "/endpoint/" + endpoint + "/headers", "/endpoint/" + endpoint + "/stats",
		"/endpoint/" + endpoint + "/msg", "/msg", "/msg/" + message, "/msg/" + message + "/endpoint", "/msg/" + message + "/attempt",
		"/attempt/msg/" + message + "?with_msg=true", "/attempt/endpoint/" + endpoint + "?with_msg=true",
	} {
		text := string(viewer.call(t, http.StatusOK, "GET", "/api/v1/app/"+app+path, "").body)
		wantHidden(t, "GET "+path, text)
		if strings.Contains(text, "hidden-") || strings.Contains(text, strings.TrimPrefix(r.secret, "whsec_")) {
			t.Errorf("GET %s shows a secret: %s", path, tail(text))
		}
	}
	viewer.call(t, http.StatusForbidden, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/secret", "")
}
