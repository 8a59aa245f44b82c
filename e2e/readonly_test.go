package e2e

import (
	"net/http"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestDatabaseReadOnlyIsUnavailable makes a database refuse writes, as an operator does to free disk space. Writes
// are answered with 503, so the sender loses nothing, and reads succeed. Once writes are allowed again, everything
// works.
func TestDatabaseReadOnlyIsUnavailable(t *testing.T) {
	t.Parallel()
	role, database := roleOfDatabase(t)
	const ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	p := rig.Start(t, rig.Settings(database), "serve")
	c, r := p.Service(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	before := c.SendMessage(t, app)
	r.Await(t, before)

	administerAll(t, role, []string{"ALTER DATABASE %[1]s SET default_transaction_read_only = on", ended})
	for _, request := range [][3]string{
		{"POST", "/api/v1/app", `{"name":"n"}`}, {"POST", "/api/v1/app/" + app + "/msg", `{"eventType":"e","payload":{}}`},
		{"POST", "/api/v1/app/" + app + "/endpoint", `{"url":"https://example.com/"}`},
	} {
		rig.Await(t, func() string { // a session may still be ending
			answer, err := c.Do(t.Context(), request[0], request[1], request[2])
			if err != nil || answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
				return request[1] + " is not answered with 503 and Retry-After: " + string(answer.Body)
			}
			return ""
		})
	}
	rig.Await(t, func() string { // the session that this request gets may have ended
		answer, err := c.Do(t.Context(), "GET", "/api/v1/app/"+app+"/msg/"+before, "")
		if err != nil || answer.Status != http.StatusOK {
			return "a message cannot be read: " + string(answer.Body)
		}
		return ""
	})

	administerAll(t, role, []string{"ALTER DATABASE %[1]s RESET default_transaction_read_only", ended})
	var after string
	rig.Await(t, func() string {
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err != nil || answer.Status != http.StatusAccepted {
			return "messages are not taken again: " + string(answer.Body)
		}
		var made struct{ ID string }
		answer.Decode(t, &made)
		after = made.ID
		return ""
	})
	r.Await(t, after)
	if duplicated, strange := r.Counts([]string{before, after}); duplicated+strange > 0 {
		t.Errorf("%d messages came more than once, and %d that were refused", duplicated, strange)
	}
}
