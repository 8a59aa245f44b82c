package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/e2e/rig"
)

// runScript runs a script of deploy/move in a cell, as psql would.
func runScript(t *testing.T, database, schema, org, name string) error {
	t.Helper()
	text := rig.Must(os.ReadFile(filepath.Join("..", "deploy", "move", name)))(t)
	config := rig.Must(pgx.ParseConfig(database))(t)
	config.RuntimeParams = map[string]string{"search_path": schema, "postrider.organisation": org}
	conn := rig.Must(pgx.ConnectConfig(t.Context(), config))(t)
	defer conn.Close(t.Context())
	_, err := conn.PgConn().Exec(t.Context(), string(text)).ReadAll()
	return err
}

// accounts counts the successful attempts of each message.
type accounts struct {
	sync.Mutex
	taken map[string]int
	open  atomic.Bool
}

// answer refuses everything until open is set.
func (a *accounts) answer(w http.ResponseWriter, _ *http.Request, arrival rig.Arrival) {
	if !a.open.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	a.Lock()
	defer a.Unlock()
	a.taken[arrival.ID]++
}

// wantOnce fails unless each message was taken once.
func (a *accounts) wantOnce(t *testing.T, ids []string) {
	t.Helper()
	a.Lock()
	defer a.Unlock()
	for _, id := range ids {
		if a.taken[id] != 1 {
			t.Errorf("%s was taken %d times", id, a.taken[id])
		}
	}
}

// startMovable starts a cell whose leases are short, and that can read the endpoints' secrets of others.
func startMovable(t *testing.T, database, schema string) rig.Service {
	t.Helper()
	settings := append([]string{"POSTRIDER_SCHEMA=" + schema, "POSTRIDER_SECRET_KEYS=" + firstKey}, rig.ShortLeases...)
	settings = rig.Settings(database, settings...)
	for _, part := range []string{"worker", "worker", "jobs"} {
		rig.Start(t, settings, part).AwaitReady(t)
	}
	return rig.Start(t, settings, "api").Service(t)
}

// move moves an organisation from cell_a to cell_b.
func move(t *testing.T, database, org string) {
	t.Helper()
	run := func(schema, name string) {
		t.Helper()
		rig.NoError(t, runScript(t, database, schema, org, name))
	}
	run("cell_a", "hold.sql")
	rig.Await(t, func() string {
		err := runScript(t, database, "cell_a", org, "collect.sql")
		switch {
		case err == nil:
			return ""
		case !strings.Contains(err.Error(), "in progress"):
			t.Fatal(err)
		}
		return err.Error()
	})
	run("cell_b", "insert.sql")
	run("cell_a", "delete.sql")
}

// TestOrganisationMovesBetweenRunningCells moves an organisation whose receivers are away. When they are back, they get
// everything that is owed, once and in order, from the new cell, and a neighbour has noticed nothing.
func TestOrganisationMovesBetweenRunningCells(t *testing.T) {
	t.Parallel()
	database, org := rig.NewEmptyDatabase(t), "org_"+rig.Random()
	from, to := startMovable(t, database, "cell_a"), startMovable(t, database, "cell_b")
	c := rig.NewClient(t, from.URL, from.NewToken(t, org))
	app, before := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := before.NewEndpoint(t, c, app)
	delivered := c.SendMessages(t, app, 10)
	before.Await(t, delivered...)
	c.Call(t, http.StatusNoContent, "DELETE", "/api/v1/app/"+app+"/endpoint/"+endpoint, "")
	for _, id := range delivered {
		c.AwaitAttempts(t, app, id, 1)
	}

	plain, ordered := &accounts{taken: map[string]int{}}, &accounts{taken: map[string]int{}}
	plainly, inOrder := rig.NewReceiver(t, plain.answer), rig.NewReceiver(t, ordered.answer)
	plainly.NewEndpoint(t, c, app)
	inOrder.NewFIFOEndpoint(t, c, app)
	owed := c.SendMessages(t, app, 40)
	rig.Await(t, func() string {
		if plainly.Distinct() < 1 || inOrder.Distinct() < 1 {
			return "nothing was attempted"
		}
		return ""
	})
	neighbour := from.NewTenant(t)
	appOfNeighbour, receiverOfNeighbour := neighbour.NewApplication(t), rig.NewReceiver(t, nil)
	receiverOfNeighbour.NewEndpoint(t, neighbour, appOfNeighbour)
	load := &rig.Load{Client: neighbour, App: appOfNeighbour, Messages: 1_000_000, Senders: 2, Lead: rig.NewLead(receiverOfNeighbour, 100)}
	load.Background(t)

	move(t, database, org)
	plain.open.Store(true)
	ordered.open.Store(true)
	c.Call(t, http.StatusUnauthorized, "GET", "/api/v1/app/"+app, "")
	moved := rig.NewClient(t, to.URL, c.Token)
	owed = append(owed, moved.SendMessages(t, app, 10)...)
	rig.Await(t, func() string { return missing(plain, owed) + missing(ordered, owed) })
	plain.wantOnce(t, owed)
	ordered.wantOnce(t, owed)
	inOrder.WantInOrder(t, owed)
	for _, id := range delivered {
		moved.AwaitAttempts(t, app, id, 1)
	}
	ids := load.Halt(t)
	receiverOfNeighbour.AwaitExactly(t, 1, ids...)
	t.Logf("%d owed messages moved and were delivered once to both endpoints; a neighbour sent %d meanwhile", len(owed), len(ids))
}

// missing says how many of the messages were not taken yet, or nothing.
func missing(a *accounts, ids []string) string {
	a.Lock()
	defer a.Unlock()
	if len(a.taken) < len(ids) {
		return "not everything that is owed has arrived; "
	}
	return ""
}
