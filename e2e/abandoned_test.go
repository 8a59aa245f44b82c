package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/e2e/rig"
)

// TestRequestAbandonedByClientIsNotStored blocks the database for longer than clients wait. A message that is not yet
// part of a statement when its client gives up must not be stored afterwards, because the client would never learn of
// it.
func TestRequestAbandonedByClientIsNotStored(t *testing.T) {
	t.Parallel()
	const requests, patience = 50, 2 * time.Second
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app := c.NewApplication(t)
	conn := rig.Must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	rig.Must(conn.Exec(t.Context(), "BEGIN; LOCK TABLE message", pgx.QueryExecModeSimpleProtocol))(t)
	ctx, giveUp := context.WithTimeout(t.Context(), patience)
	defer giveUp()
	var clients sync.WaitGroup
	for range requests {
		clients.Go(func() {
			answer, err := c.Do(ctx, http.MethodPost, "/api/v1/app/"+app+"/msg", `{"eventType": "x", "payload": {}}`)
			if err == nil {
				t.Errorf("a request was answered with %d", answer.Status)
			}
		})
	}
	clients.Wait()
	rig.Must(conn.Exec(t.Context(), "ROLLBACK"))(t)
	c.SendMessage(t, app)
	var stored int
	rig.Query(t, database, "SELECT count(*) FROM message", &stored)
	if underWay := stored - 1; underWay > requests/10 {
		t.Errorf("%d of %d messages were stored whose clients had given up, want those of one statement at most", underWay, requests)
	}
}
