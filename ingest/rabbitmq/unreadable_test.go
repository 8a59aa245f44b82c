package rabbitmq

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

func deep(levels int) (value any) {
	value = int64(1)
	for range levels {
		value = []any{true, value}
	}
	return value
}

func wide(n int) amqp.Table {
	all := amqp.Table{}
	for i := range n {
		all[fmt.Sprint(i)] = nil
	}
	return all
}

func TestMessageWhoseHeadersTheLibraryDoesNotReadIsPutAside(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers amqp.Table
		read    bool
	}{
		"of every type":     {everyType, true},
		"as deep as may be": {amqp.Table{"a": deep(depthMost)}, true},
		"too deep":          {amqp.Table{"a": deep(depthMost + 1), "b": "c"}, false},
		"far too deep":      {amqp.Table{"a": []any{amqp.Table{"b": deep(10_000)}}}, false},
		"as many as may be": {wide(fieldsMost), true},
		"too many":          {wide(fieldsMost + 1), false},
		"a list":            {amqp.Table{"a": make([]any, fieldsMost)}, true},
		"a long list":       {amqp.Table{"a": make([]any, fieldsMost+1)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), quorum)
			b.publish(t, "", b.config.Queue, amqp.Publishing{
				Headers: test.headers, ContentType: "text/plain", ContentEncoding: "utf-8", Type: "t", Body: []byte("a body"),
			})
			b.publish(t, "", b.config.Queue, numbered(0, 10)...)
			s := b.source(t)
			batch := receiveFull(t, s, 11)
			if first := batch[0]; errors.Is(first.Err, errUnreadable) == test.read || first.Position == "" || first.Headers[contentType] != "text/plain" {
				t.Fatalf("received: %+v", first)
			}
			if test.read {
				settle(t, s, judged(batch, ingest.Ack))
				return
			}
			settle(t, s, judged(batch, ingest.DeadLetter, ingest.Ack))
			letters := b.take(t, b.config.DeadLetterRoutingKey)
			if len(letters) != 1 || string(letters[0].Body) != "a body" || letters[0].Type != "t" || letters[0].ContentEncoding != "utf-8" {
				t.Fatalf("put aside: %+v", letters)
			}
			wantHeaders(t, letters[0].Headers, amqp.Table{
				"postrider-reason": "nobody can read it", "postrider-exchange": "", "postrider-routing-key": b.config.Queue,
				"postrider-queue": b.config.Queue, "postrider-left-out": "headers",
			})
		})
	}
}

// A message may be larger than the server's current limit, or have arrived by another protocol.
func TestMessageWhoseHeadersAreLargerThanAFrameIsPutAside(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	server.tell(t, "eval", "application:set_env(rabbit, frame_max, 262144).")
	b := newBroker(t, server, quorum)
	b.publish(t, "", b.config.Queue, amqp.Publishing{
		Headers: amqp.Table{"large": strings.Repeat("h", 200_000)}, Body: []byte(strings.Repeat("b", 300_000)),
	})
	b.publish(t, "", b.config.Queue, numbered(0, 10)...)
	server.tell(t, "eval", "application:set_env(rabbit, frame_max, 131072).")
	s := b.source(t)
	batch := receiveFull(t, s, 11)
	if !errors.Is(batch[0].Err, errUnreadable) || len(batch[0].Body) != 300_000 {
		t.Fatalf("received: %v", batch[0].Err)
	}
	settle(t, s, judged(batch, ingest.DeadLetter, ingest.Ack))
	if letters := b.take(t, b.config.DeadLetterRoutingKey); len(letters) != 1 || len(letters[0].Body) != 300_000 {
		t.Errorf("put aside: %d letters", len(letters))
	}
}
