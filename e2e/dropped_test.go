package e2e

import (
	"net/http"
	"testing"
)

// TestConnectionsThatDieSilentlyAreReplaced has nothing get through to Postgres any more on connections that stay open,
// as behind a firewall that forgets them. Requests fail in bounded time, and once the network is well all goes on
// without a restart.
func TestConnectionsThatDieSilentlyAreReplaced(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	postgres := newBreakable(t)
	url := must(postgres.url(t.Context()))(t)
	network := newProxy(t, bridge(t, postgres))
	c := start(t, settings(urlAt(url, network.Listen)), "serve").service(t).tenant(t)
	app, r := c.application(t), newReceiver(t, nil)
	r.endpoint(t, c, app)
	ids := []string{c.message(t, app)}
	r.await(t, ids...)

	done(t, network.disturb(trouble{"timeout", map[string]int{"timeout": 0}}))
	for range hostileSize(1, 3) {
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err == nil && answer.status == http.StatusAccepted {
			t.Error("a message was accepted that cannot have been stored")
		}
	}
	done(t, network.heal(t.Context()))
	await(t, func() string {
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err != nil || answer.status != http.StatusAccepted {
			return "messages are not taken again: " + string(answer.body)
		}
		var made struct{ ID string }
		answer.decode(t, &made)
		ids = append(ids, made.ID)
		return ""
	})
	r.await(t, ids...)
}
