package e2e

import (
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// withPassword is an organisation with an application endpoint and an operational-webhook endpoint whose URLs contain
// a user and password.
type withPassword struct {
	rig.Client
	process  *rig.Process
	database string
	receiver *rig.Receiver
	app      string
	made     *svix.EndpointOut // at the receiver
	dead     *svix.EndpointOut // at an address that nothing listens on
	answers  string            // the answers that created the endpoints
}

const (
	userinfo         = "ada:very%20secret@"
	userinfoPassword = "very secret"
)

func newWithPassword(t *testing.T, more ...string) *withPassword {
	t.Helper()
	w := &withPassword{database: rig.NewDatabase(t), receiver: rig.NewReceiver(t, nil)}
	w.process = rig.Start(t, rig.Settings(w.database, append(more, rig.SharedRetries, "POSTRIDER_LOG_LEVEL=debug")...), "serve")
	w.Client = w.process.Service(t).NewTenant(t)
	w.app = w.NewApplication(t)
	url := strings.Replace(w.receiver.URL, "://", "://"+userinfo, 1)
	w.made = rig.Must(w.Endpoint.Create(t.Context(), w.app, svix.EndpointIn{Url: url, Secret: &w.receiver.Secret}, nil))(t)
	w.dead = rig.Must(w.Endpoint.Create(t.Context(), w.app, svix.EndpointIn{Url: "http://" + userinfo + "127.0.0.1:1/"}, nil))(t)
	w.answers = w.made.Url + w.dead.Url
	w.answers += string(w.Call(t, 201, "POST", operationalEndpoints, `{"url":"https://`+userinfo+`example.com/","uid":"ops"}`).Body)
	return w
}

const operationalEndpoints = "/api/v1/operational-webhook/endpoint"

// wantBasic sends a message, and fails unless it arrives with the password.
func (w *withPassword) wantBasic(t *testing.T) (message string) {
	t.Helper()
	message = w.SendMessage(t, w.app)
	w.receiver.Await(t, message)
	request := http.Request{Header: w.receiver.Of(message)[0].Header}
	if user, password, ok := request.BasicAuth(); !ok || user != "ada" || password != userinfoPassword {
		t.Errorf("the receiver was called with %q", request.Header.Get("Authorization"))
	}
	return message
}

func wantHidden(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{userinfoPassword, "very%20secret", "ada:", "ada@"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %q: %s", what, secret, rig.Tail(text))
		}
	}
}

// TestEndpointURLPasswordIsSentAndNeverShown looks wherever the customer, the operator and a reader of logs and
// attempts can look, after one successful and one failed delivery.
func TestEndpointURLPasswordIsSentAndNeverShown(t *testing.T) {
	t.Parallel()
	w := newWithPassword(t)
	message := w.wantBasic(t)
	rig.Await(t, func() string {
		if n := len(rig.Must(w.MessageAttempt.ListByEndpoint(t.Context(), w.app, w.dead.Id, nil))(t).Data); n < 3 {
			return "the dead endpoint was not tried to the end"
		}
		return ""
	})
	wantHidden(t, "the answer that makes an endpoint", w.answers)
	for _, c := range []rig.Client{w.Client, w.PortalAccess(t, w.app, svix.AppPortalAccessIn{ReadOnly: new(true)})} {
		for _, path := range []string{
			"/endpoint", "/endpoint/" + w.made.Id, "/endpoint/" + w.dead.Id, "/endpoint/" + w.made.Id + "/headers", "/msg", "/msg/" + message,
			"/attempt/endpoint/" + w.made.Id, "/attempt/endpoint/" + w.dead.Id, "/attempt/msg/" + message + "?with_msg=true",
			"/msg/" + message + "/endpoint", "/endpoint/" + w.made.Id + "/msg",
		} {
			wantHidden(t, "GET "+path, string(c.Call(t, 200, "GET", "/api/v1/app/"+w.app+path, "").Body))
		}
	}
	for _, path := range []string{"", "/ops"} {
		wantHidden(t, "GET operational"+path, string(w.Call(t, 200, "GET", operationalEndpoints+path, "").Body))
	}
	wantHidden(t, "the log", w.process.Stdout.String()+w.process.Stderr.String())
	var stored string
	rig.Query(t, w.database, "SELECT string_agg(DISTINCT url, ' ') FROM attempt", &stored)
	wantHidden(t, "an attempt in the database", stored)
	if !strings.Contains(stored, "***@") {
		t.Errorf("attempts are stored with the URLs %s", stored)
	}
}

// TestEndpointURLPasswordIsKeptOnWriteBack also has a customer who may change the endpoint, but does not know the
// password, try to have it sent to another address.
func TestEndpointURLPasswordIsKeptOnWriteBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ keys, stored string }{
		"plain": {"", userinfo}, "encrypted": {firstKey, "***@"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepPassword(t, newWithPassword(t, "POSTRIDER_SECRET_KEYS="+c.keys), "https://"+c.stored+"example.com/")
		})
	}
}

func keepPassword(t *testing.T, w *withPassword, stored string) {
	t.Helper()
	ctx := t.Context()
	masked := strings.Replace(w.receiver.URL, "://", "://***@", 1)
	read := rig.Must(w.Endpoint.Get(ctx, w.app, w.made.Id))(t)
	if read.Url != masked {
		t.Errorf("the URL is shown as %s, want %s", read.Url, masked)
	}
	rig.Must(w.Endpoint.Update(ctx, w.app, w.made.Id, svix.EndpointUpdate{Url: read.Url, Description: new("Renamed")}))(t)
	w.wantBasic(t)
	rig.Must(w.Endpoint.Patch(ctx, w.app, w.made.Id, svix.EndpointPatch{Url: new(read.Url + "other")}))(t)
	w.wantBasic(t)

	customer := w.PortalAccess(t, w.app, svix.AppPortalAccessIn{})
	evil := strings.Replace(masked, "127.0.0.1", "127.0.0.2", 1)
	_, err := customer.Endpoint.Patch(ctx, w.app, w.made.Id, svix.EndpointPatch{Url: &evil})
	rig.WantRefused(t, err, 422, "")
	_, err = customer.Endpoint.Update(ctx, w.app, w.made.Id, svix.EndpointUpdate{Url: evil})
	rig.WantRefused(t, err, 422, "")
	_, err = customer.Endpoint.Create(ctx, w.app, svix.EndpointIn{Url: masked}, nil)
	rig.WantRefused(t, err, 422, "")
	w.wantBasic(t)

	const ops = operationalEndpoints + "/ops"
	w.Call(t, 200, "PUT", ops, `{"url":"https://***@example.com/","uid":"ops","description":"Renamed"}`)
	w.Call(t, 422, "PUT", ops, `{"url":"https://***@example.org/","uid":"ops"}`)
	stranger := w.process.Service(t).NewTenant(t)
	stranger.Call(t, 422, "PUT", ops, `{"url":"https://***@example.com/","uid":"ops"}`)
	var kept string
	rig.Query(t, w.database, "SELECT url FROM endpoint WHERE uid = 'ops'", &kept)
	if kept != stored {
		t.Errorf("the operational endpoint's URL is now %s", kept)
	}
}
