package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

// silenceWithin is the time in which all parts must recover after the database was silent: a statement times out
// after 30 s, a listening connection is checked after 15 s, and each idle connection costs 3 s. It is generous for
// the sake of slow machines.
const silenceWithin = 100 * time.Second

// TestDatabaseSilentIsNotAwaitedForever silences all connections of a process without closing them.
func TestDatabaseSilentIsNotAwaitedForever(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	way := rig.NewSilencer(t, database)
	p := rig.Start(t, rig.Settings(rig.URLAt(database, way.Address), rig.OpsSetting), "serve")
	s := p.Service(t)
	c, url := rig.NewClient(t, s.URL, s.NewToken(t)), p.OpsURL(t) // of the outbox's default organisation
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := r.NewEndpoint(t, c, app)
	r.Await(t, c.SendMessage(t, app))

	way.Hush()
	rig.AwaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "no answer")
	rig.Execute(t, database, "SELECT message_send('"+app+"', 'of.the.outbox', '{\"outbox\":true}')")
	rig.NoError(t, rig.Pause(t.Context(), 2*time.Second)) // each part has started a statement that gets no answer
	healed := time.Now()
	way.Heal()

	rig.AwaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	ready := time.Since(healed)
	var last string
	rig.Await(t, func() string { // the API
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"after","payload":{}}`)
		if err != nil || answer.Status != http.StatusAccepted {
			return fmt.Sprintf("no message is accepted: %d, %v", answer.Status, err)
		}
		var out struct{ ID string }
		answer.Decode(t, &out)
		last = out.ID
		return ""
	})
	accepted := time.Since(healed)
	r.Await(t, last)
	rig.Await(t, func() string { // the outbox, and the worker that delivers what other processes stored
		if r.OfOutbox() == 0 {
			return "the message in the outbox is not delivered"
		}
		return ""
	})
	outbox := time.Since(healed)
	var task struct{ ID string }
	c.Call(t, http.StatusAccepted, "POST", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/recover",
		fmt.Sprintf(`{"since":%q}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))).Decode(t, &task)
	c.AwaitTask(t, task.ID) // jobs
	jobs := time.Since(healed)
	rig.Await(t, func() string { // LISTEN
		n := 0
		rig.Query(t, database, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "+
			"query ~ 'DeliveryListenAnyTenant' AND backend_start > to_timestamp(%d)", healed.Unix()), &n)
		if n == 0 {
			return "no connection listens anew"
		}
		return ""
	})
	listening := time.Since(healed)
	t.Logf("after the database healed: ready %s, accepted %s, outbox %s, jobs %s, listening %s", ready, accepted, outbox, jobs, listening)
	if all := time.Since(healed); all > silenceWithin {
		t.Errorf("it took %s until all went on, want at most %s", all, silenceWithin)
	}
}
