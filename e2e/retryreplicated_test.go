package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// post makes a request with an idempotency key in the background.
func post(t *testing.T, c rig.Client, path, body string) <-chan rig.Response {
	t.Helper()
	request := rig.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+path, strings.NewReader(body)))(t)
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Idempotency-Key", "key")
	answered := make(chan rig.Response, 1)
	go func() {
		answer, err := rig.ReadResponse(rig.HTTPClient.Do(request))
		if err != nil {
			answer.Body = []byte(err.Error())
		}
		answered <- answer
	}()
	return answered
}

// TestRetriedRequestWaitsForStandby ends a session whose commit waits for the standby. Postgres then commits on the
// primary alone. The client, which got no success, makes the request again, and may not get one until the standby has
// what was stored.
func TestRetriedRequestWaitsForStandby(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]struct{ path, body, stored string }{
		"message":                  {"/msg", `{"eventType":"e","payload":{}}`, "SELECT id FROM message"},
		"message with an event id": {"/msg", `{"eventType":"e","eventId":"e1","payload":{}}`, "SELECT id FROM message"},
		"endpoint":                 {"/endpoint", `{"url":"https://example.com/"}`, "SELECT id FROM endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := rig.NewLocalPostgres(t)
			c := rig.Start(t, rig.Settings(server.Address), "api").Service(t).NewTenant(t)
			path := "/api/v1/app/" + c.NewApplication(t) + request.path
			server.LoseStandby(t)

			first := post(t, c, path, request.body)
			server.AwaitUncommitted(t)
			server.EndUncommitted(t)
			if answer := <-first; answer.Status != http.StatusServiceUnavailable {
				t.Fatalf("answered %d: %s", answer.Status, answer.Body)
			}
			var stored string
			rig.Query(t, server.Address, request.stored, &stored)

			again := post(t, c, path, request.body)
			rig.Await(t, func() string {
				select {
				case answer := <-again:
					t.Fatalf("answered %d before the standby has it", answer.Status)
				default:
				}
				if !server.Waits(t, "SyncRep") {
					return "nothing waits for the standby"
				}
				return ""
			})
			server.Configure(t, "synchronous_standby_names = ''")
			if answer := <-again; answer.Status/100 != 2 || !strings.Contains(string(answer.Body), fmt.Sprintf("%q", stored)) {
				t.Errorf("answered %d: %s; want %s", answer.Status, answer.Body, stored)
			}
		})
	}
}
