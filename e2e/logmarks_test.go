package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestLogHoldsNoSecretsAtLevelDebug marks everything that is confidential and looks for the marks in the log, while one
// endpoint works and the others fail in several ways.
func TestLogHoldsNoSecretsAtLevelDebug(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_LOG_LEVEL=debug", "POSTRIDER_RETRY_SCHEDULE=", "POSTRIDER_CIRCUIT_FAILURES=1")
	c := s.NewTenant(t)
	app := c.NewApplication(t)
	secret := rig.NewSecret()
	marks := map[string]string{
		"token": c.Token, "secret": strings.TrimPrefix(secret, "whsec_"), "payload": "mark-of-the-payload", "header": "mark-of-a-header",
		"password": "mark-of-a-password", "path": "mark-of-a-path", "response": "mark-of-a-response",
	}
	answer := func(code int) func(http.ResponseWriter, *http.Request, rig.Arrival) {
		return rig.AnswerText(code, marks["response"])
	}
	receiver, failing, gone := rig.NewReceiver(t, answer(200)), rig.NewReceiver(t, answer(500)), rig.NewReceiver(t, answer(410))
	receiver.Secret, failing.Secret, gone.Secret = secret, secret, secret
	for _, url := range []string{receiver.URL, failing.URL, gone.URL, "http://127.0.0.1:1"} {
		headers := map[string]string{"X-Key": marks["header"]}
		withPassword := strings.Replace(url, "://", "://user:"+marks["password"]+"@", 1) + "/" + marks["path"]
		rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: withPassword, Secret: &secret, Headers: &headers}, nil))(t)
	}
	message := rig.Must(c.Message.Create(t.Context(), app, svix.MessageIn{EventType: "a", Payload: map[string]any{"n": marks["payload"]}}, nil))(t)
	c.AwaitAttempts(t, app, message.Id, 4)
	for text, n := range map[string]int{"endpoint paused": 2, "endpoint disabled": 1} {
		rig.Await(t, func() string {
			if got := strings.Count(p.Stdout.String(), text); got != n {
				return fmt.Sprintf("%d events %q, want %d", got, text, n)
			}
			return ""
		})
	}
	p.Stop(t)
	for name, mark := range marks {
		if at := strings.Index(p.Stdout.String()+p.Stderr.String(), mark); at >= 0 {
			t.Errorf("the log has the %s", name)
		}
	}
	if events := strings.Count(p.Stdout.String(), `"level":"DEBUG"`); events == 0 {
		t.Error("the log has no events of level debug")
	}
}
