package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// longLease is far longer than a test waits: deliveries that a process does not release are not delivered.
const longLease = "POSTRIDER_LEASE=1h"

// sendTen sends ten messages to one endpoint, which the process delivers one at a time.
func sendTen(t *testing.T, c rig.Client, receiver *rig.Receiver) (ids []string) {
	t.Helper()
	app := c.NewApplication(t)
	receiver.NewEndpoint(t, c, app)
	for range 10 {
		ids = append(ids, c.SendMessage(t, app))
	}
	return ids
}

func TestStopFinishesAttemptsAndReleasesTheRest(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_ENDPOINT_CONCURRENCY=1", longLease)
	gate := rig.NewGate(t)
	receiver := rig.NewReceiver(t, gate.Answer)
	ids := sendTen(t, s.NewTenant(t), receiver)
	gate.AwaitHeld(t, 1)
	p.Terminate(t)
	p.AwaitClosed(t)
	rig.Never(t, "the process ended while an attempt was under way", p.HasEnded)
	gate.Open()
	if code := p.AwaitExit(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}

	worker := rig.Start(t, append(p.Settings(), "POSTRIDER_ENDPOINT_CONCURRENCY=8"), "worker")
	receiver.Await(t, ids...)
	worker.Stop(t)
	if duplicated, _ := receiver.Counts(ids); duplicated > 0 {
		t.Errorf("%d messages came twice: an attempt that was under way was not written down", duplicated)
	}
}

func TestStopCutsOffSlowAttempts(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_ENDPOINT_CONCURRENCY=1", "POSTRIDER_STOP_TIMEOUT=200ms", longLease)
	gate := rig.NewGate(t)
	receiver := rig.NewReceiver(t, gate.Answer)
	ids := sendTen(t, s.NewTenant(t), receiver)
	gate.AwaitHeld(t, 1)
	p.Stop(t)
	gate.Open()
	rig.Start(t, p.Settings(), "worker")
	receiver.Await(t, ids...)
	// The attempt that was cut off is repeated.
	rig.Await(t, func() string {
		if got := len(receiver.All()); got != len(ids)+1 {
			return fmt.Sprintf("%d webhooks arrived, want %d", got, len(ids)+1)
		}
		return ""
	})
}

// TestStopAnswersRequestsUnderWay stops the process while a handler waits for a request's body.
func TestStopAnswersRequestsUnderWay(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t)
	c := s.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)

	const body = `{"eventType": "late", "payload": {}}`
	conn := rig.Must(net.Dial("tcp", p.AwaitReady(t)))(t)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/app/%s/msg HTTP/1.1\r\nHost: postrider\r\nAuthorization: Bearer %s\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", app, c.Token, len(body))
	reader := bufio.NewReader(conn)
	if line := rig.Must(reader.ReadString('\n'))(t); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("it does not ask for the body: %s", line)
	}
	rig.Must(reader.ReadString('\n'))(t) // an empty line
	p.Terminate(t)
	p.AwaitClosed(t)
	rig.Must(io.WriteString(conn, body))(t)
	answer := rig.Must(http.ReadResponse(reader, nil))(t)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Errorf("answered with %s, want 202", answer.Status)
	}
	if code := p.AwaitExit(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}

	rig.Start(t, p.Settings(), "worker")
	rig.Await(t, func() string {
		if len(receiver.All()) == 0 {
			return "the message was accepted and is not delivered"
		}
		return ""
	})
}
