package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/e2e/rig"
)

// TestNeighbourIsServedBesideHeldFIFOLock holds the lock that orders the messages to a FIFO endpoint, in a
// transaction that never ends. Messages to that endpoint wait or are refused; all others are stored meanwhile.
func TestNeighbourIsServedBesideHeldFIFOLock(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	s := rig.Start(t, rig.Settings(database), "serve").Service(t)
	attacker, n, c := s.NewTenant(t), rig.NewNeighbour(t, s), rig.NewCounter(t, nil)
	app := attacker.NewApplication(t)
	endpoint := attacker.NewEndpoints(t, app, 1, map[string]any{"url": c.URL, "fifo": true})[0]
	attacker.SendMessage(t, app)
	c.Await(t, 1, 1)
	// Do what the statement that stores a message does.
	conn := rig.Must(pgx.Connect(t.Context(), database))(t)
	rig.Must(conn.Exec(t.Context(), fmt.Sprintf(`
		BEGIN;
		SELECT pg_advisory_xact_lock(hashtextextended(format('%%s delivery %%s', current_schema(), '%[1]s'), 0));
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq, state)
		VALUES ('%[1]s', 'msg_held', '%[2]s', now() + interval '1 hour', 0, 2, nextval('delivery_seq'), 'waiting')`,
		app, endpoint), pgx.QueryExecModeSimpleProtocol))(t)
	var senders sync.WaitGroup
	accepted := new(atomic.Int64)
	n.Beside(t, func() {
		for range rig.HostileSize(10, 100) {
			senders.Go(func() {
				answer, err := attacker.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
				if err == nil && answer.Status == http.StatusAccepted {
					accepted.Add(1)
				}
			})
		}
		n.AwaitAnswered(t, rig.HostileSize(20, 200))
	})
	_ = conn.Close(t.Context())
	senders.Wait()
	t.Logf("%d of the messages in order were accepted", accepted.Load())
	attacker.SendMessage(t, app)
	c.Await(t, 2+int(accepted.Load()), 2+int(accepted.Load()))
}

// payloadOf returns a message whose payload has the given number of bytes.
func payloadOf(bytes int) string {
	return `{"eventType":"e","payload":{"a":"` + strings.Repeat("a", bytes-len(`{"a":""}`)) + `"}}`
}

// TestMemoryIsBoundedForLargeDeliveriesInFlight sends megabyte messages to endpoints that wait for a while before
// they read a webhook.
func TestMemoryIsBoundedForLargeDeliveriesInFlight(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	p, s := rig.Serve(t)
	n := rig.NewNeighbour(t, s)
	send, arrive := largeDeliveries(t, s.NewTenant(t))
	n.Beside(t, func() { send(); arrive() })
	p.WantLittleMemory(t)
}

// TestMemoryIsBoundedForLargeDeliveriesOfWorker uses a separate worker: each delivery that a worker claims has its
// own copy of the payload.
func TestMemoryIsBoundedForLargeDeliveriesOfWorker(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	api := rig.Start(t, rig.Settings(database), "api")
	n := rig.NewNeighbour(t, api.Service(t))
	send, arrive := largeDeliveries(t, api.Service(t).NewTenant(t))
	send()
	worker := rig.Start(t, rig.Settings(database), "worker")
	n.Beside(t, arrive)
	worker.WantLittleMemory(t)
	api.WantLittleMemory(t)
}

// largeDeliveries sends 612 deliveries of a megabyte each, or twice as many at full size.
func largeDeliveries(t testing.TB, c rig.Client) (send, arrive func()) {
	t.Helper()
	const endpoints = 34
	messages := rig.HostileSize(18, 36)
	slow := rig.NewCounter(t, func(_ http.ResponseWriter, r *http.Request) { _ = rig.Pause(r.Context(), 2*time.Second) })
	app, body := c.NewApplication(t), payloadOf(1<<20)
	c.NewEndpoints(t, app, endpoints, map[string]any{"url": slow.URL})
	send = func() {
		for range messages {
			c.SendUntilAccepted(t, app, body)
		}
	}
	return send, func() { slow.Await(t, messages, messages*endpoints) }
}

// TestMemoryIsBoundedForLargeBodiesAtOnce has many clients concurrently send two megabytes each, the last part of it
// late. A client that is asked to retry does so. Eight bodies fit into the memory at a time.
func TestMemoryIsBoundedForLargeBodiesAtOnce(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	clients := rig.HostileSize(48, 400)
	p, s := rig.Serve(t)
	attacker, n := s.NewTenant(t), rig.NewNeighbour(t, s)
	app, body := attacker.NewApplication(t), payloadOf(2_000_000)
	n.Beside(t, func() {
		failures := make(chan error, clients)
		for range clients {
			go func() { failures <- attacker.SendLate(t.Context(), app, body) }()
		}
		for range clients {
			select {
			case err := <-failures:
				rig.NoError(t, err)
			case <-time.After(rig.Patience):
				t.Fatalf("no message was accepted in %s", rig.Patience)
			}
		}
	})
	p.WantLittleMemory(t)
}

// TestMemoryIsBoundedForLargeMessagesClaimed stores large messages for many endpoints while no worker runs, and then
// starts one.
func TestMemoryIsBoundedForLargeMessagesClaimed(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	const endpoints = 40
	messages := rig.HostileSize(12, 60)
	database := rig.NewDatabase(t)
	api := rig.Start(t, rig.Settings(database), "api")
	attacker, c := api.Service(t).NewTenant(t), rig.NewCounter(t, nil)
	n := rig.NewNeighbour(t, api.Service(t))
	app := attacker.NewApplication(t)
	attacker.NewEndpoints(t, app, endpoints, map[string]any{"url": c.URL})
	body := payloadOf(1_900_000)
	for range messages {
		attacker.SendUntilAccepted(t, app, body)
	}
	worker := rig.Start(t, rig.Settings(database, "GOMEMLIMIT=400MiB"), "worker")
	n.Beside(t, func() { c.Await(t, messages, messages*endpoints) })
	worker.WantLittleMemory(t)
	api.WantLittleMemory(t)
}
