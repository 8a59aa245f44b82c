package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// longLease is far longer than a test waits: what a process does not give back, nobody gets.
const longLease = "POSTRIDER_LEASE=1h"

// sendTen gives a process ten deliveries to one endpoint, of which it makes one at a time.
func sendTen(t *testing.T, c client, receiver *receiver) (ids []string) {
	t.Helper()
	app := c.application(t)
	receiver.endpoint(t, c, app)
	for range 10 {
		ids = append(ids, c.message(t, app))
	}
	return ids
}

// awaitClosed waits until the API accepts nothing more.
func (p *process) awaitClosed(t *testing.T) {
	t.Helper()
	address := p.ready(t)
	await(t, func() string {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "the API still accepts connections"
		}
		return ""
	})
}

func TestStopFinishesWhatIsUnderWayAndGivesTheRestBack(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_ENDPOINT_CONCURRENCY=1", longLease)
	gate := newGate(t)
	receiver := newReceiver(t, gate.answer)
	ids := sendTen(t, s.tenant(t), receiver)
	gate.awaitHeld(t, 1)
	p.terminate(t)
	p.awaitClosed(t)
	never(t, "the process ended while an attempt was under way", p.hasEnded)
	gate.open()
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}

	worker := start(t, append(p.settings(), "POSTRIDER_ENDPOINT_CONCURRENCY=8"), "worker")
	receiver.await(t, ids...)
	worker.stop(t)
	if duplicated, _ := receiver.counts(ids); duplicated > 0 {
		t.Errorf("%d messages came twice: an attempt that was under way was not written down", duplicated)
	}
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_ENDPOINT_CONCURRENCY=1", "POSTRIDER_STOP_TIMEOUT=200ms", longLease)
	gate := newGate(t)
	receiver := newReceiver(t, gate.answer)
	ids := sendTen(t, s.tenant(t), receiver)
	gate.awaitHeld(t, 1)
	p.stop(t)
	gate.open()
	start(t, p.settings(), "worker")
	receiver.await(t, ids...)
	// The one that was cut off is made again.
	await(t, func() string {
		if got := len(receiver.all()); got != len(ids)+1 {
			return fmt.Sprintf("%d webhooks arrived, want %d", got, len(ids)+1)
		}
		return ""
	})
}

// The handler waits for the request's body when the process is told to stop.
func TestStopAnswersTheRequestsItHasBegun(t *testing.T) {
	t.Parallel()
	p, s := serve(t)
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)

	const body = `{"eventType": "late", "payload": {}}`
	conn := must(net.Dial("tcp", p.ready(t)))(t)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/app/%s/msg HTTP/1.1\r\nHost: postrider\r\nAuthorization: Bearer %s\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", app, c.token, len(body))
	reader := bufio.NewReader(conn)
	if line := must(reader.ReadString('\n'))(t); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("it does not ask for the body: %s", line)
	}
	must(reader.ReadString('\n'))(t) // an empty line
	p.terminate(t)
	p.awaitClosed(t)
	must(io.WriteString(conn, body))(t)
	answer := must(http.ReadResponse(reader, nil))(t)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Errorf("answered with %s, want 202", answer.Status)
	}
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}

	start(t, p.settings(), "worker")
	await(t, func() string {
		if len(receiver.all()) == 0 {
			return "the message was accepted and is not delivered"
		}
		return ""
	})
}
