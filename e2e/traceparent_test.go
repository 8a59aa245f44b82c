package e2e

import (
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/postrider/postrider/e2e/rig"
)

const (
	clientTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan   = "00f067aa0ba902b7"
	clientParent = "00-" + clientTrace + "-" + clientSpan + "-01"
)

// sendTraced sends a message as a client that traces its request, and returns the message's id.
func sendTraced(t *testing.T, c rig.Client, app, parent string) string {
	t.Helper()
	request := rig.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/api/v1/app/"+app+"/msg",
		strings.NewReader(`{"eventType": "e2e.trace", "payload": {}}`)))(t)
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("traceparent", parent)
	answer := rig.Must(rig.ReadResponse(rig.HTTPClient.Do(request)))(t)
	if answer.Status != http.StatusAccepted {
		t.Fatalf("the message is answered %d: %s", answer.Status, answer.Body)
	}
	var message struct{ ID string }
	answer.Decode(t, &message)
	return message.ID
}

// TestTraceShowsAnAttemptAndItsRetry follows a message from a traced POST to an attempt that fails and its retry, in one trace.
// The receiver is sent the span of each attempt.
func TestTraceShowsAnAttemptAndItsRetry(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	spans := newSpanCollector(t)
	_, s := rig.Serve(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.url, "OTEL_BSP_SCHEDULE_DELAY=100", "POSTRIDER_SEND_TRACEPARENT=true", "POSTRIDER_RETRY_SCHEDULE=50ms")
	c := s.NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	receiver.NewEndpoint(t, c, app)
	id := sendTraced(t, c, app, clientParent)
	receiver.AwaitTimes(t, 2, id)
	attempts := spans.awaitSpans(t, clientTrace, 2, collected.isAttempt)
	for i, want := range []struct {
		status, err, resent string
		code                traces.Status_StatusCode
	}{
		{"502", "502", "", traces.Status_STATUS_CODE_ERROR},
		{"200", "", "1", traces.Status_STATUS_CODE_UNSET},
	} {
		span := attempts[i]
		status, err, resent := span.attribute("http.response.status_code"), span.attribute("error.type"), span.attribute("http.request.resend_count")
		if status != want.status || err != want.err || resent != want.resent || span.GetStatus().GetCode() != want.code {
			t.Errorf("attempt %d: status %s, error %q, resent %q, %s; want %+v", i, status, err, resent, span.GetStatus().GetCode(), want)
		}
		if span.GetName() != "POST" || span.attribute("postrider.message_id") != id || span.attribute("server.address") != "127.0.0.1" {
			t.Errorf("attempt %d is %v", i, span)
		}
		sent := "00-" + clientTrace + "-" + span.id() + "-01"
		if got := receiver.Of(id)[i].Header.Get("traceparent"); got != sent {
			t.Errorf("with attempt %d the receiver was sent %q, want its span, %s", i, got, sent)
		}
	}
	if one, other := attempts[0].parent(), attempts[1].parent(); one == "" || one != other {
		t.Errorf("the parents are %s and %s, want the same", one, other)
	}
}

// TestTraceParentIsSentByProcessesThatDoNotTrace: such a process passes on what the client sent, but only if that is wanted.
func TestTraceParentIsSentByProcessesThatDoNotTrace(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	const own = "00-11111111111111111111111111111111-2222222222222222-01"
	for setting, want := range map[string][2]string{"false": {"", own}, "true": {clientParent, clientParent}} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			_, s := rig.Serve(t, "POSTRIDER_SEND_TRACEPARENT="+setting)
			c := s.NewTenant(t)
			app, plain, withOwn := c.NewApplication(t), rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
			plain.NewEndpoint(t, c, app)
			withOwn.NewEndpointLike(t, c, app, svix.EndpointIn{Headers: &map[string]string{"traceparent": own}})
			id := sendTraced(t, c, app, clientParent)
			for i, receiver := range []*rig.Receiver{plain, withOwn} {
				receiver.Await(t, id)
				if got := receiver.Of(id)[0].Header.Get("traceparent"); got != want[i] {
					t.Errorf("receiver %d was sent %q, want %q", i, got, want[i])
				}
			}
		})
	}
}
