package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestErrorNamesField(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app := c.NewApplication(t)
	message := func(in svix.MessageIn) error {
		_, err := c.Message.Create(ctx, app, in, nil)
		return err
	}
	endpoint := func(in svix.EndpointIn) error {
		_, err := c.Endpoint.Create(ctx, app, in, nil)
		return err
	}
	application := func(in svix.ApplicationIn) error {
		_, err := c.Application.Create(ctx, in, nil)
		return err
	}
	_, tooMany := c.Application.List(ctx, &svix.ApplicationListOptions{Limit: new(uint64(1000))})
	_, iterator := c.Message.List(ctx, app, &svix.MessageListOptions{Iterator: new("nonsense")})
	for name, test := range map[string]struct {
		err   error
		field string
	}{
		"an application without a name": {application(svix.ApplicationIn{}), "name"},
		"a uid with a space":            {application(svix.ApplicationIn{Name: "A", Uid: new("a b")}), "uid"},
		"a uid like an id":              {application(svix.ApplicationIn{Name: "A", Uid: new("app_1")}), "uid"},
		"an address without a scheme":   {endpoint(svix.EndpointIn{Url: "example.com"}), "url"},
		"an address of another scheme":  {endpoint(svix.EndpointIn{Url: "ftp://example.com/"}), "url"},
		"an unknown event type":         {endpoint(svix.EndpointIn{Url: "https://example.com/", FilterTypes: []string{"no.such"}}), "eventTypes"},
		"a secret that is none":         {endpoint(svix.EndpointIn{Url: "https://example.com/", Secret: new("whsec_short")}), "secret"},
		"a message without a type":      {message(svix.MessageIn{Payload: map[string]any{}}), "eventType"},
		"a message without a payload":   {message(svix.MessageIn{EventType: "a"}), "payload"},
		"a channel with a space":        {message(svix.MessageIn{EventType: "a", Payload: map[string]any{}, Channels: []string{"a b"}}), "channels"},
		"a limit that is too high":      {tooMany, "limit"},
		"an iterator that is none":      {iterator, "iterator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrongField(t, test.err, test.field)
		})
	}
}

func wrongField(t *testing.T, err error, field string) {
	t.Helper()
	e, ok := errors.AsType[*svix.Error](err)
	if !ok || e.Status() != http.StatusUnprocessableEntity {
		t.Fatalf("got %v, want status 422", err)
	}
	var body struct {
		Detail []struct {
			Loc       []string
			Msg, Type string
		}
	}
	if err := json.Unmarshal(e.Body(), &body); err != nil || len(body.Detail) == 0 {
		t.Fatalf("cannot read the detail: %s", e.Body())
	}
	for _, d := range body.Detail {
		if strings.Contains(strings.Join(d.Loc, "."), field) && d.Msg != "" && d.Type != "" {
			return
		}
	}
	t.Errorf("%s does not say what is wrong with %s", e.Body(), field)
}

func TestErrorIsAlwaysJSON(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	huge := `{"eventType": "a", "payload": {"text": "` + strings.Repeat("x", 3<<20) + `"}}`
	for _, test := range []struct {
		status             int
		method, path, body string
	}{
		{404, "GET", "/no/such/path", ""},
		{404, "GET", "/api/v1/no-such-route", ""},
		{404, "GET", "/api/v1/app/no-such-app", ""},
		{405, "PUT", "/api/v1/app", "{}"},
		{405, "DELETE", "/api/v1/health", ""},
		{422, "POST", "/api/v1/app", "{"},
		{422, "POST", "/api/v1/app", ""},
		{422, "POST", "/api/v1/app", "[]"},
		{422, "POST", "/api/v1/app", `{"name": 1}`},
		{422, "POST", "/api/v1/app/" + app + "/msg", `{"eventType": "a", "payload": "text"}`},
		{422, "GET", "/api/v1/app?limit=ten", ""},
		{413, "POST", "/api/v1/app/" + app + "/msg", huge},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			t.Parallel()
			r := c.Call(t, test.status, test.method, test.path, test.body)
			if !json.Valid(r.Body) || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
				t.Errorf("%s %s: answered with %s: %q", test.method, test.path, r.Header.Get("Content-Type"), rig.Tail(string(r.Body)))
			}
		})
	}
}

func TestContractAndHealthNeedNoToken(t *testing.T) {
	t.Parallel()
	c := rig.NewClient(t, rig.Shared(t).URL, "")
	var contract struct {
		OpenAPI string         `json:"openapi"`
		Paths   map[string]any `json:"paths"`
	}
	c.Call(t, 200, "GET", "/api/v1/openapi.json", "").Decode(t, &contract)
	if !strings.HasPrefix(contract.OpenAPI, "3.") || contract.Paths["/api/v1/app/{app_id}/msg"] == nil {
		t.Errorf("the contract is of OpenAPI %q and has %d paths", contract.OpenAPI, len(contract.Paths))
	}
	var health struct{ Database struct{ Status string } }
	c.Call(t, 200, "GET", "/api/v1/health", "").Decode(t, &health)
	if health.Database.Status != "ok" {
		t.Errorf("the database is %q", health.Database.Status)
	}
	c.Call(t, 204, "GET", "/api/v1/health/ping", "")
	if page := c.Call(t, 200, "GET", "/docs", ""); !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the documentation is %s", page.Header.Get("Content-Type"))
	}
}
