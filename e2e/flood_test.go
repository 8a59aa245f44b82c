package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestNeighboursAreServedBesideAHeldFIFOLock has somebody hold what orders the messages to another's FIFO endpoint, in a
// transaction that does not end. Messages to that endpoint wait or are refused; all others are stored meanwhile.
func TestNeighboursAreServedBesideAHeldFIFOLock(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	s := start(t, settings(database), "serve").service(t)
	attacker, n, c := s.tenant(t), newNeighbour(t, s), newCounter(t, nil)
	app := attacker.application(t)
	endpoint := attacker.endpoints(t, app, 1, map[string]any{"url": c.url, "fifo": true})[0]
	attacker.message(t, app)
	c.await(t, 1, 1)
	// As the statement that stores a message does, whatever it locks.
	conn := must(pgx.Connect(t.Context(), database))(t)
	must(conn.Exec(t.Context(), fmt.Sprintf(`
		BEGIN;
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, state)
		VALUES ('%s', 'msg_held', '%s', now() + interval '1 hour', 0, 2, 'waiting')`, app, endpoint), pgx.QueryExecModeSimpleProtocol))(t)
	var senders sync.WaitGroup
	accepted := new(atomic.Int64)
	n.beside(t, func() {
		for range hostileSize(10, 100) {
			senders.Go(func() {
				answer, err := attacker.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
				if err == nil && answer.status == http.StatusAccepted {
					accepted.Add(1)
				}
			})
		}
		n.awaitAnswered(t, hostileSize(20, 200))
	})
	_ = conn.Close(t.Context())
	senders.Wait()
	t.Logf("%d of the messages in order were accepted", accepted.Load())
	attacker.message(t, app)
	c.await(t, 2+int(accepted.Load()), 2+int(accepted.Load()))
}

// payloadOf is a message whose payload has this many bytes.
func payloadOf(bytes int) string {
	return `{"eventType":"e","payload":{"a":"` + strings.Repeat("a", bytes-len(`{"a":""}`)) + `"}}`
}

// TestLargeDeliveriesInFlightNeedLittleMemory sends messages of a megabyte to endpoints that let each webhook wait for a
// while before they read it.
func TestLargeDeliveriesInFlightNeedLittleMemory(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	p, s := serve(t)
	n := newNeighbour(t, s)
	send, arrive := largeDeliveries(t, s.tenant(t))
	n.beside(t, func() { send(); arrive() })
	p.wantLittleMemory(t)
}

// Claimed by a worker, each has a payload of its own.
func TestLargeDeliveriesOfAWorkerNeedLittleMemory(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	api := start(t, settings(database), "api")
	n := newNeighbour(t, api.service(t))
	send, arrive := largeDeliveries(t, api.service(t).tenant(t))
	send()
	worker := start(t, settings(database), "worker")
	n.beside(t, arrive)
	worker.wantLittleMemory(t)
	api.wantLittleMemory(t)
}

// largeDeliveries are 612 of a megabyte each, or twice as many.
func largeDeliveries(t testing.TB, c client) (send, arrive func()) {
	t.Helper()
	const endpoints = 34
	messages := hostileSize(18, 36)
	slow := newCounter(t, func(_ http.ResponseWriter, r *http.Request) { _ = pause(r.Context(), 2*time.Second) })
	app, body := c.application(t), payloadOf(1<<20)
	c.endpoints(t, app, endpoints, map[string]any{"url": slow.url})
	send = func() {
		for range messages {
			c.accepted(t, app, body)
		}
	}
	return send, func() { slow.await(t, messages, messages*endpoints) }
}

// accepted sends a message until it is accepted: a service that has no room for it says so.
func (c client) accepted(t testing.TB, app, body string) {
	t.Helper()
	await(t, func() string {
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg?with_content=false", body)
		switch {
		case err == nil && answer.status == http.StatusAccepted:
			return ""
		case err == nil && answer.status != http.StatusServiceUnavailable:
			t.Fatalf("a message is answered with %d: %.200s", answer.status, answer.body)
		}
		return fmt.Sprintf("a message is not accepted: status %d: %.200s: %v", answer.status, answer.body, err)
	})
}

// TestLargeBodiesAtOnceNeedLittleMemory has two hundred clients send two megabytes each at the same time, and the last
// part of it late. A client that is asked to come back does.
func TestLargeBodiesAtOnceNeedLittleMemory(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	clients := hostileSize(200, 400)
	p, s := serve(t)
	attacker, n := s.tenant(t), newNeighbour(t, s)
	app, body := attacker.application(t), payloadOf(2_000_000)
	n.beside(t, func() {
		failures := make(chan error, clients)
		for range clients {
			go func() { failures <- attacker.sendLate(t.Context(), app, body) }()
		}
		var first error
		for range clients {
			first = cmp.Or(first, <-failures)
		}
		done(t, first)
	})
	p.wantLittleMemory(t)
}

// sendLate sends a message whose last part comes after a while, as often as the service has no room for it.
func (c client) sendLate(ctx context.Context, app, body string) error {
	for deadline := time.Now().Add(patience); ; {
		half := len(body) / 2
		late := io.MultiReader(strings.NewReader(body[:half]), &lateReader{ctx: ctx, Reader: strings.NewReader(body[half:])})
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1/app/"+app+"/msg?with_content=false", late)
		if err != nil {
			return err
		}
		request.ContentLength = int64(len(body))
		request.Header.Set("Authorization", "Bearer "+c.token)
		answer, err := readResponse(httpClient.Do(request))
		switch {
		case err == nil && answer.status == http.StatusAccepted:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("a large message is not accepted: status %d: %.200s: %w", answer.status, answer.body, err)
		case err == nil && (answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == ""):
			return fmt.Errorf("a large message is answered with %d: %.200s", answer.status, answer.body)
		}
		_ = pause(ctx, 200*time.Millisecond) // a service may hang up before it has read all
	}
}

// lateReader waits before its first byte.
type lateReader struct {
	ctx  context.Context //nolint:containedctx // a reader is not given one
	once sync.Once
	io.Reader
}

func (l *lateReader) Read(p []byte) (int, error) {
	l.once.Do(func() { _ = pause(l.ctx, 3*time.Second) })
	return l.Reader.Read(p)
}

// TestLargeMessagesThatWaitAreClaimedWithLittleMemory stores large messages to many endpoints while nobody delivers, and
// then starts a worker.
func TestLargeMessagesThatWaitAreClaimedWithLittleMemory(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	const endpoints = 40
	messages := hostileSize(15, 60)
	database := newDatabase(t)
	api := start(t, settings(database), "api")
	attacker, c := api.service(t).tenant(t), newCounter(t, nil)
	n := newNeighbour(t, api.service(t))
	app := attacker.application(t)
	attacker.endpoints(t, app, endpoints, map[string]any{"url": c.url})
	body := payloadOf(1_900_000)
	for range messages {
		attacker.accepted(t, app, body)
	}
	worker := start(t, settings(database, "GOMEMLIMIT=400MiB"), "worker")
	n.beside(t, func() { c.await(t, messages, messages*endpoints) })
	worker.wantLittleMemory(t)
	api.wantLittleMemory(t)
}
