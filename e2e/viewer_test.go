package e2e

import (
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestViewerSeesNoEndpointSecret reads everything that a read-only token can read, after the endpoint's password,
// headers and secret were used.
func TestViewerSeesNoEndpointSecret(t *testing.T) {
	t.Parallel()
	c, r := rig.Shared(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	secrets := map[string]string{"X-Api-Key": "hidden-" + rig.Random(), "X-Auth-Token": "hidden-" + rig.Random()}
	url := strings.Replace(r.URL, "://", "://"+userinfo, 1)
	endpoint := rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url, Secret: &r.Secret, Headers: &secrets}, nil))(t).Id
	message := c.SendMessage(t, app)
	r.Await(t, message)
	if got := r.Of(message)[0].Header; got.Get("X-Api-Key") != secrets["X-Api-Key"] || got.Get("Authorization") == "" {
		t.Errorf("the webhook came without its secrets: %v", got)
	}
	c.AwaitAttempts(t, app, message, 1)

	viewer := c.PortalAccess(t, app, svix.AppPortalAccessIn{ReadOnly: new(true)})
	for _, path := range []string{
		"", "/endpoint", "/endpoint/" + endpoint, "/endpoint/" + endpoint + "/headers", "/endpoint/" + endpoint + "/stats",
		"/endpoint/" + endpoint + "/msg", "/msg", "/msg/" + message, "/msg/" + message + "/endpoint", "/msg/" + message + "/attempt",
		"/attempt/msg/" + message + "?with_msg=true", "/attempt/endpoint/" + endpoint + "?with_msg=true",
	} {
		text := string(viewer.Call(t, http.StatusOK, "GET", "/api/v1/app/"+app+path, "").Body)
		wantHidden(t, "GET "+path, text)
		if strings.Contains(text, "hidden-") || strings.Contains(text, strings.TrimPrefix(r.Secret, "whsec_")) {
			t.Errorf("GET %s shows a secret: %s", path, rig.Tail(text))
		}
	}
	viewer.Call(t, http.StatusForbidden, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/secret", "")
}
