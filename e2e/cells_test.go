package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// cell is a Postrider of several in one database, with its client of the organisation that all of them have.
type cell struct {
	rig.Client
	settings []string
	app      string
	receiver *rig.Receiver
	sent     []string
}

// startCell starts an API, two workers and the jobs in a schema of the database.
func startCell(t *testing.T, database, schema, org string) *cell {
	t.Helper()
	c := &cell{settings: rig.Settings(database, "POSTRIDER_SCHEMA="+schema)}
	api := rig.Start(t, c.settings, "api").Service(t)
	for _, part := range []string{"worker", "worker", "jobs"} {
		rig.Start(t, c.settings, part).AwaitReady(t)
	}
	c.Client = rig.NewClient(t, api.URL, api.NewToken(t, org))
	uid := "acme"
	c.app = rig.Must(c.Application.Create(t.Context(), svix.ApplicationIn{Name: schema, Uid: &uid}, nil))(t).Id
	c.receiver = rig.NewReceiver(t, nil)
	c.receiver.NewEndpoint(t, c.Client, c.app)
	return c
}

// send sends a message that has the same event id and idempotency key in all cells.
func (c *cell) send(t *testing.T, n int) {
	t.Helper()
	name := fmt.Sprintf("event-%d", n)
	in := svix.MessageIn{EventType: "e2e.message", EventId: &name, Payload: map[string]any{"n": n}}
	out := rig.Must(c.Message.Create(t.Context(), "acme", in, &svix.MessageCreateOptions{IdempotencyKey: &name}))(t)
	c.sent = append(c.sent, out.Id)
}

// TestCellsOfOneDatabaseKnowNothingOfEachOther runs two cells with the same organisation, key, uid of the application,
// event ids and idempotency keys.
func TestCellsOfOneDatabaseKnowNothingOfEachOther(t *testing.T) {
	t.Parallel()
	database, org := rig.NewEmptyDatabase(t), "org_"+rig.Random()
	cells := []*cell{startCell(t, database, "cell_a", org), startCell(t, database, "cell_b", org)}
	for n := range 100 {
		for _, c := range cells {
			c.send(t, n)
		}
	}
	for i, c := range cells {
		c.receiver.AwaitExactly(t, 1, c.sent...)
		if duplicated, strange := c.receiver.Counts(c.sent); duplicated+strange > 0 {
			t.Errorf("%d messages came twice, and %d came from another cell", duplicated, strange)
		}
		other := cells[1-i]
		apps := rig.Must(c.Application.List(t.Context(), nil))(t).Data
		if len(apps) != 1 || apps[0].Id != c.app {
			t.Errorf("applications: %+v, want %s", apps, c.app)
		}
		messages := rig.Must(c.Message.List(t.Context(), c.app, nil))(t).Data
		if slices.ContainsFunc(messages, func(m svix.MessageOut) bool { return slices.Contains(other.sent, m.Id) }) {
			t.Error("the other cell's messages are listed")
		}
		c.Call(t, http.StatusNotFound, "GET", "/api/v1/app/"+other.app, "")
		c.Call(t, http.StatusNotFound, "GET", "/api/v1/app/acme/msg/"+other.sent[0], "")
		// The key is the same, so the token is valid. What it is for is not here.
		portal := rig.NewClient(t, c.URL, rig.Service{URL: other.URL, Settings: other.settings}.NewToken(t, org, "--application", other.app))
		portal.Call(t, http.StatusNotFound, "GET", "/api/v1/app/"+other.app+"/endpoint", "")
	}
	// Replays are the jobs', and revocations hold where they were made.
	a, b := cells[0], cells[1]
	late := rig.NewReceiver(t, nil)
	endpoint := late.NewEndpoint(t, a.Client, a.app)
	task := rig.Must(a.Endpoint.ReplayMissing(t.Context(), a.app, endpoint, svix.ReplayIn{Since: aMinuteAgo()}, nil))(t)
	a.AwaitTask(t, task.Id)
	late.AwaitExactly(t, 1, a.sent...)
	b.Call(t, http.StatusNotFound, "GET", "/api/v1/background-task/"+task.Id, "")
	if got := rig.Command(t, a.settings, "token", "revoke", "--all", org); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	a.Call(t, http.StatusUnauthorized, "GET", "/api/v1/app", "")
	b.Call(t, http.StatusOK, "GET", "/api/v1/app", "")
}

// TestWorkerFindsWhatItWasNotToldOf stores deliveries without a notification, as when it is sent on another node or
// swallowed by a pooler.
func TestWorkerFindsWhatItWasNotToldOf(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := receiver.NewEndpoint(t, c, app)
	worker := rig.Start(t, rig.Settings(database), "worker")
	worker.AwaitReady(t)
	receiver.Await(t, c.SendMessage(t, app))
	const untold = `
		WITH stored AS (
			INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
			SELECT app_id, id || '%[1]s', event_type, payload, expires_at, created_at FROM message WHERE app_id = '%[2]s'
			RETURNING app_id, id
		)
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, state)
		SELECT app_id, id, '%[3]s', now(), 0, '%[1]s' FROM stored`
	for _, state := range []string{"fresh", "waiting"} {
		rig.Execute(t, database, fmt.Sprintf(untold, state, app, endpoint))
	}
	var ids []string
	rig.Query(t, database, "SELECT array_agg(id) FROM message", &ids)
	receiver.Await(t, ids...)
}
