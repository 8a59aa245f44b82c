package e2e

import (
	"net/http"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestConnectionSilentlyDeadIsReplaced blocks all data on open connections to Postgres, as a firewall does that has
// forgotten them. Requests must fail in bounded time, and must succeed without a restart once the network has
// recovered.
func TestConnectionSilentlyDeadIsReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	postgres := rig.NewBreakable(t)
	url := rig.Must(postgres.URL(t.Context()))(t)
	network := rig.NewProxy(t, rig.Bridge(t, postgres))
	c := rig.Start(t, rig.Settings(rig.URLAt(url, network.Listen)), "serve").Service(t).NewTenant(t)
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	r.NewEndpoint(t, c, app)
	ids := []string{c.SendMessage(t, app)}
	r.Await(t, ids...)

	rig.NoError(t, network.Disturb(rig.Trouble{Name: "timeout", Attributes: map[string]int{"timeout": 0}}))
	for range rig.HostileSize(1, 3) {
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err == nil && answer.Status == http.StatusAccepted {
			t.Error("a message was accepted that cannot have been stored")
		}
	}
	rig.NoError(t, network.Heal(t.Context()))
	rig.Await(t, func() string {
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if err != nil || answer.Status != http.StatusAccepted {
			return "messages are not taken again: " + string(answer.Body)
		}
		var made struct{ ID string }
		answer.Decode(t, &made)
		ids = append(ids, made.ID)
		return ""
	})
	r.Await(t, ids...)
}
