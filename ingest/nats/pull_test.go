package nats

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/postrider/postrider/ingest"
)

// The library mistakes a message without a body and with this header for the server's "no responders" status.
func TestMessageThatLooksLikeNoRespondersIsReceived(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	msg := &nats.Msg{Subject: b.name + ".red", Header: nats.Header{"Status": {"503"}}}
	if _, err := b.admin(t).PublishMsg(within(t), msg); err != nil {
		t.Fatal(err)
	}
	b.publish(t, 2, 3)
	s := b.source(t)
	batch := receive(t, s)
	if len(batch) != 3 || len(batch[0].Body) != 0 {
		t.Fatalf("received %q", bodies(batch))
	}
	settle(t, s, verdicts(ingest.Ack, batch...))
}
