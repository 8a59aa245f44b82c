package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestRequestsWhoseClientsGaveUpAreNotStored has the database be silent for longer than clients wait. What was in no
// statement by then must not be stored afterwards, when nobody is told of it.
func TestRequestsWhoseClientsGaveUpAreNotStored(t *testing.T) {
	t.Parallel()
	const requests, patience = 50, 2 * time.Second
	database := newDatabase(t)
	c := start(t, settings(database), "api").service(t).tenant(t)
	app := c.application(t)
	conn := must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	must(conn.Exec(t.Context(), "BEGIN; LOCK TABLE message", pgx.QueryExecModeSimpleProtocol))(t)
	ctx, giveUp := context.WithTimeout(t.Context(), patience)
	defer giveUp()
	var clients sync.WaitGroup
	for range requests {
		clients.Go(func() {
			answer, err := c.send(ctx, http.MethodPost, "/api/v1/app/"+app+"/msg", `{"eventType": "x", "payload": {}}`)
			if err == nil {
				t.Errorf("a request was answered with %d", answer.status)
			}
		})
	}
	clients.Wait()
	must(conn.Exec(t.Context(), "ROLLBACK"))(t)
	c.message(t, app)
	var stored int
	query(t, database, "SELECT count(*) FROM message", &stored)
	if underWay := stored - 1; underWay > requests/10 {
		t.Errorf("%d of %d messages were stored whose clients had given up, want those of one statement at most", underWay, requests)
	}
}
