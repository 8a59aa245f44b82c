package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

func TestMessagesComeWithTheirHeaders(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, amqp.Publishing{
		Body: []byte("{}"), ContentType: "application/cloudevents+json",
		Headers: amqp.Table{
			"cloudEvents:type": "order.paid", "traceparent": "00-1", "tracestate": "a=b", "content-type": "overruled",
			"int": int32(-1), "long": int64(1) << 40, "byte": uint8(7), "double": 0.5, "yes": true,
			"table": amqp.Table{"a": "b"}, "list": []any{"a"}, "bytes": []byte("a"), "nothing": nil, "time": time.Unix(1, 0),
		},
	})
	got := receive(t, b.source(t))[0]
	want := ingest.Headers{
		"cloudEvents:type": "order.paid", "traceparent": "00-1", "tracestate": "a=b", "content-type": "application/cloudevents+json",
		"int": "-1", "long": "1099511627776", "byte": "7", "double": "0.5", "yes": "true",
	}
	if !maps.Equal(got.Headers, want) {
		t.Errorf("headers %v, want %v", got.Headers, want)
	}
	if got.Topic != b.config.Queue || got.Key != "" || len(got.Position) != 26 {
		t.Errorf("got %+v", got)
	}
}

func TestMessageWithoutIDHasNoPosition(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	if err := b.channel.PublishWithContext(t.Context(), "", b.config.Queue, true, false, amqp.Publishing{}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, b.source(t))[0]; m.Position != "" || len(m.Body) != 0 {
		t.Errorf("got %+v", m)
	}
}

func TestBatchIsBoundedByNumber(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, ingest.BatchMost+100)...)
	s := b.source(t)
	wantBodies(t, receiveFull(t, s, ingest.BatchMost+100), numbers(0, ingest.BatchMost)...)
	wantBodies(t, receive(t, s), numbers(ingest.BatchMost, ingest.BatchMost+100)...)
}

func TestBatchIsBoundedBySize(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	const messages, each, want = 10, 3 << 20, 6 // 5 of 3 MiB are less than 16 MiB
	for range messages {
		b.publish(t, "", b.config.Queue, amqp.Publishing{Body: make([]byte, each)})
	}
	s := b.source(t)
	if n := len(receiveFull(t, s, messages)); n != want {
		t.Errorf("a batch of %d messages of 3 MiB, want %d", n, want)
	}
	if n := len(receive(t, s)); n != messages-want {
		t.Errorf("then one of %d, want %d", n, messages-want)
	}
}

func TestBrokerSendsNoMoreThanPrefetchAhead(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.config.Prefetch = 10
	b.publish(t, "", b.config.Queue, numbered(0, 50)...)
	s := b.source(t)
	wantBodies(t, receiveFull(t, s, 10), numbers(0, 10)...)
	if ready := b.state(t).Messages; ready != 40 {
		t.Errorf("%d messages are nobody's, want 40", ready)
	}
}

// Deleting the queue is the simplest way to make RabbitMQ cancel a consumer.
func TestCancelledConsumerComesBack(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string]amqp.Table{"quorum": quorum, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), arguments)
			s := b.source(t)
			b.publish(t, "", b.config.Queue, numbered(0, 1)...)
			receiveAll(t, s, 1)
			if _, err := b.channel.QueueDelete(b.config.Queue, false, false, false); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := s.Receive(ctx); err == nil || !strings.Contains(err.Error(), "cancelled") {
				t.Errorf("receive from a queue that is being deleted: %v", err)
			}
			if _, err := s.Receive(ctx); err == nil || !strings.Contains(err.Error(), "NOT_FOUND") {
				t.Errorf("receive from a queue that is deleted: %v", err)
			}
			b.declare(t, b.config.Queue, arguments)
			b.publish(t, "", b.config.Queue, numbered(1, 2)...)
			wantBodies(t, receiveAll(t, s, 1), "1")
		})
	}
}

// RabbitMQ 3.10 then does not cancel the consumer of a quorum queue, and sends it nothing.
func TestConsumerOfAQueueThatIsDeclaredAgainAtOnceComesBack(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string]amqp.Table{"quorum": quorum, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), arguments)
			s := b.source(t)
			s.silence = time.Second
			b.publish(t, "", b.config.Queue, numbered(0, 5)...)
			batch := receiveFull(t, s, 5)
			if _, err := b.channel.QueueDelete(b.config.Queue, false, false, false); err != nil {
				t.Fatal(err)
			}
			b.declare(t, b.config.Queue, arguments)
			b.publish(t, "", b.config.Queue, numbered(5, 10)...)
			settle(t, s, judged(batch, ingest.Ack))
			var got []string
			await(t, func() string {
				batch, _ := s.Receive(t.Context())
				settle(t, s, judged(batch, ingest.Ack))
				if got = append(got, bodies(batch)...); len(got) < 5 {
					return fmt.Sprintf("received %q", got)
				}
				return ""
			})
			if !slices.Equal(got, numbers(5, 10)) {
				t.Errorf("received %q, want 5 to 9", got)
			}
		})
	}
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	s := b.source(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if batch, err := s.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) || batch != nil {
		t.Errorf("received %v, %v", batch, err)
	}
	b.publish(t, "", b.config.Queue, numbered(0, 1)...)
	wantBodies(t, receive(t, s), "0") // and the consumer still exists
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := theServer(t)
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"queue": {func(c *Config) { c.Queue = "nowhere" }, []string{"queue: there is no nowhere in the virtual host /"}},
		"queue for dead letters": {
			func(c *Config) { c.DeadLetterRoutingKey = "nowhere" }, []string{"dead_letter_routing_key: there is no nowhere"},
		},
		"both": {
			func(c *Config) { c.Queue, c.DeadLetterExchange = "nowhere", "gone" },
			[]string{"queue: there is no nowhere", "\ndead_letter_exchange: there is no gone"},
		},
		"nothing":         {func(c *Config) { c.DeadLetterExchange = "amq.topic" }, nil},
		"a login":         {func(c *Config) { c.URL = strings.Replace(c.URL, "guest:guest", "me:secret", 1) }, []string{"user or password"}},
		"a virtual host":  {func(c *Config) { c.URL += "nowhere" }, []string{"connect: the broker says 530 NOT_ALLOWED", "nowhere"}},
		"a known address": {func(c *Config) { c.URL = "amqp://me:secret@127.0.0.1:1/" }, []string{"connect: ", "127.0.0.1:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, server, quorum)
			test.change(&b.config)
			err := b.source(t).Check(t.Context())
			if len(test.want) == 0 && err != nil {
				t.Error(err)
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error %v says nothing of %q", err, want)
				}
			}
			if text := fmt.Sprint(err); strings.Contains(text, "secret") || strings.Contains(text, "guest:guest") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
}

// A frozen machine neither answers nor refuses anything.
func TestSilentBrokerIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 1)...)
	s := b.source(t)
	batch := receive(t, s)
	s.timeout = 300 * time.Millisecond
	s.link.timeout = s.timeout
	b.freeze()
	defer b.thaw()
	begin := time.Now()
	if err := s.Settle(t.Context(), judged(batch, ingest.DeadLetter)); err == nil || !strings.Contains(err.Error(), "no answer within 300ms") {
		t.Errorf("settle: %v", err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("check: no error")
	}
	if err := s.disconnect(t.Context()); err == nil {
		t.Error("disconnect: no error")
	}
	if batch, err := s.Receive(t.Context()); err == nil {
		t.Errorf("received %v", batch)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("all that took %s", took)
	}
}
