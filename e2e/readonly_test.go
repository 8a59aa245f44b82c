package e2e

import (
	"net/http"
	"testing"
)

// TestADatabaseThatIsReadOnlyIsUnavailable has a database refuse writes, as one does whose disk its operator is freeing.
// What would write is answered with 503 and is not lost on its sender, what reads is answered, and once writes are
// allowed again all goes on.
func TestADatabaseThatIsReadOnlyIsUnavailable(t *testing.T) {
	t.Parallel()
	role, database := roleOfDatabase(t)
	const ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	p := start(t, settings(database), "serve")
	c, r := p.service(t).tenant(t), newReceiver(t, nil)
	app := c.application(t)
	r.endpoint(t, c, app)
	before := c.message(t, app)
	r.await(t, before)

	administerAll(t, role, []string{"ALTER DATABASE %[1]s SET default_transaction_read_only = on", ended})
	for _, request := range [][3]string{
		{"POST", "/api/v1/app", `{"name":"n"}`}, {"POST", "/api/v1/app/" + app + "/msg", `{"eventType":"e","payload":{}}`},
		{"POST", "/api/v1/app/" + app + "/endpoint", `{"url":"https://example.com/"}`},
	} {
		await(t, func() string { // a session may be ending
			answer, err := c.send(t.Context(), request[0], request[1], request[2])
			if err != nil || answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == "" {
				return request[1] + " is not answered with 503 and Retry-After: " + string(answer.body)
			}
			return ""
		})
	}
	c.call(t, http.StatusOK, "GET", "/api/v1/app/"+app+"/msg/"+before, "")

	administerAll(t, role, []string{"ALTER DATABASE %[1]s RESET default_transaction_read_only", ended})
	var after string
	await(t, func() string {
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err != nil || answer.status != http.StatusAccepted {
			return "messages are not taken again: " + string(answer.body)
		}
		var made struct{ ID string }
		answer.decode(t, &made)
		after = made.ID
		return ""
	})
	r.await(t, after)
	if duplicated, strange := r.counts([]string{before, after}); duplicated+strange > 0 {
		t.Errorf("%d messages came more than once, and %d that were refused", duplicated, strange)
	}
}
