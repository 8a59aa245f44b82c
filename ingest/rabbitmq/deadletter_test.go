package rabbitmq

import (
	"crypto/rand"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// exchange declares a dead letter exchange without bindings.
func (b *broker) exchange(t testing.TB, kind string) {
	t.Helper()
	b.config.DeadLetterExchange = "exchange-" + rand.Text()
	if err := b.channel.ExchangeDeclare(b.config.DeadLetterExchange, kind, false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.channel.ExchangeDelete(b.config.DeadLetterExchange, false, false) })
}

func (b *broker) bind(t testing.TB, queue, key string) {
	t.Helper()
	if err := b.channel.QueueBind(queue, key, b.config.DeadLetterExchange, false, nil); err != nil {
		t.Fatal(err)
	}
}

// putDown receives messages, and stores all as dead letters.
func (b *broker) putDown(t testing.TB, n int) (letters []amqp.Delivery) {
	t.Helper()
	s := b.source(t)
	settle(t, s, judged(receiveFull(t, s, n), ingest.DeadLetter))
	closeSource(t, s)
	b.wantLeft(t, 0)
	return b.take(t, b.config.DeadLetterRoutingKey)
}

func TestDeadLetterIsTheMessageWithItsOrigin(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.exchange(t, amqp.ExchangeTopic)
	dead := b.config.DeadLetterRoutingKey
	b.bind(t, dead, "orders.*")
	b.bind(t, b.config.Queue, "new.orders")
	original := amqp.Publishing{
		Headers:     amqp.Table{"a": "b", "n": int64(1), "list": []any{"x", int32(1)}, "table": amqp.Table{"t": true}, "none": nil},
		ContentType: "text/plain", ContentEncoding: "gzip", Priority: 3, CorrelationId: "c", ReplyTo: "r",
		Timestamp: time.Unix(1_700_000_000, 0), Type: "t", AppId: "app", UserId: "guest", Expiration: "3600000", Body: []byte("\x00\xff"),
	}
	b.publish(t, b.config.DeadLetterExchange, "new.orders", original)
	b.config.DeadLetterRoutingKey = "orders.dead"
	s := b.source(t)
	batch := receive(t, s)
	settle(t, s, judged(batch, ingest.DeadLetter))
	letters := b.take(t, dead)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	want, got := original, letters[0]
	want.Headers = amqp.Table{
		"postrider-reason": "nobody can read it", "postrider-exchange": b.config.DeadLetterExchange,
		"postrider-routing-key": "new.orders", "postrider-queue": b.config.Queue,
		"postrider-user-id": "guest", "postrider-expiration": "3600000",
	}
	maps.Copy(want.Headers, original.Headers)
	want.UserId, want.Expiration, want.DeliveryMode, want.MessageId = "", "", amqp.Persistent, batch[0].Position
	copied := amqp.Publishing{
		Headers: got.Headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding, DeliveryMode: got.DeliveryMode,
		Priority: got.Priority, CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo, Expiration: got.Expiration,
		MessageId: got.MessageId, Timestamp: got.Timestamp, Type: got.Type, UserId: got.UserId, AppId: got.AppId, Body: got.Body,
	}
	if !reflect.DeepEqual(copied, want) || got.RoutingKey != "orders.dead" {
		t.Errorf("put down with the routing key %s is\n%+v, want\n%+v", got.RoutingKey, copied, want)
	}
}

func TestDeadLetterKeepsTheRoutingKeyByDefault(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.exchange(t, amqp.ExchangeDirect)
	dead := b.config.DeadLetterRoutingKey
	b.bind(t, dead, b.config.Queue)
	b.config.DeadLetterRoutingKey = ""
	b.publish(t, "", b.config.Queue, numbered(0, 1)...)
	s := b.source(t)
	settle(t, s, judged(receive(t, s), ingest.DeadLetter))
	if letters := b.take(t, dead); len(letters) != 1 || letters[0].RoutingKey != b.config.Queue {
		t.Errorf("put down: %+v", letters)
	}
}

// RabbitMQ also routes a message by its CC header. A copy with that header would come back.
func TestDeadLetterGoesNowhereElse(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, amqp.Publishing{Headers: amqp.Table{"CC": []any{b.config.Queue}, "x-delay": 1}})
	letters := b.putDown(t, 1)
	if len(letters) != 1 || fmt.Sprint(letters[0].Headers["postrider-cc"]) != fmt.Sprint([]any{b.config.Queue}) {
		t.Errorf("put down: %+v", letters)
	}
	if got := letters[0].Headers; got["CC"] != nil || got["x-delay"] != nil || got["postrider-x-delay"] != int32(1) {
		t.Errorf("its headers are %v", got)
	}
}

func TestLongReasonIsCut(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 1)...)
	s := b.source(t)
	all := judged(receive(t, s), ingest.DeadLetter)
	all[0].Reason = "x" + strings.Repeat("é", 1<<20)
	settle(t, s, all)
	if got := b.DeadLetters(t)[0].Reason; got != "x"+strings.Repeat("é", 511) {
		t.Errorf("the reason has %d bytes", len(got))
	}
}

func TestDeadLetterThatGoesNowhereHoldsUpWhatIsBehind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		exchange, queue string
		full            bool // the queue
		want            string
	}{
		"no exchange":       {exchange: "exchange-" + rand.Text(), want: "NOT_FOUND - no exchange 'exchange-"},
		"no queue is bound": {exchange: "amq.direct", queue: "dead-" + rand.Text(), want: "the exchange amq.direct has no queue for the routing key \"dead-"},
		"no queue":          {queue: "dead-" + rand.Text(), want: "there is no queue dead-"},
		"a full queue":      {queue: "dead-" + rand.Text(), full: true, want: "the broker refuses it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), quorum)
			good := b.config
			b.config.DeadLetterExchange, b.config.DeadLetterRoutingKey = test.exchange, test.queue
			if test.full {
				b.declare(t, test.queue, amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
				b.publish(t, "", test.queue, numbered(99, 100)...)
			}
			b.publish(t, "", b.config.Queue, numbered(0, 6)...)
			s := b.source(t)
			all := judged(receiveFull(t, s, 6), ingest.Ack, ingest.Ack, ingest.DeadLetter, ingest.Ack)
			for range 2 {
				if err := s.Settle(t.Context(), all); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("the error %v says nothing of %q", err, test.want)
				}
			}
			s.config = good
			s.config.Prefetch = prefetchDefault
			settle(t, s, all)
			closeSource(t, s)
			b.wantLeft(t, 0)
			if letters := b.take(t, good.DeadLetterRoutingKey); len(letters) != 1 || string(letters[0].Body) != "2" {
				t.Errorf("put down: %+v", letters)
			}
		})
	}
}

func TestFailedDeadLetterLeavesTheRest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		verdicts []ingest.Verdict
		left     int
	}{
		"itself and what is behind it":         {[]ingest.Verdict{ingest.Ack, ingest.Ack, ingest.DeadLetter, ingest.Ack}, 4},
		"what is behind one to come again":     {[]ingest.Verdict{ingest.Ack, ingest.Retry, ingest.Ack, ingest.DeadLetter, ingest.Ack}, 5},
		"all, when it is the first of a batch": {[]ingest.Verdict{ingest.DeadLetter, ingest.Ack}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), quorum)
			b.exchange(t, amqp.ExchangeDirect)
			b.publish(t, "", b.config.Queue, numbered(0, 6)...)
			s := b.source(t)
			if err := s.Settle(t.Context(), judged(receiveFull(t, s, 6), test.verdicts...)); err == nil {
				t.Error("no error")
			}
			closeSource(t, s)
			b.wantLeft(t, test.left)
		})
	}
}

func TestDeadLettersAreNotPutDownTwice(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.exchange(t, amqp.ExchangeDirect)
	good, bad, dead := "good-"+rand.Text(), "bad-"+rand.Text(), b.config.DeadLetterRoutingKey
	b.config.DeadLetterRoutingKey = ""
	b.bind(t, dead, good)
	for n, key := range []string{good, bad, good} {
		if err := b.channel.QueueBind(b.config.Queue, key, "amq.direct", false, nil); err != nil {
			t.Fatal(err)
		}
		b.publish(t, "amq.direct", key, numbered(n, n+1)...)
	}
	s := b.source(t)
	all := judged(receiveFull(t, s, 3), ingest.DeadLetter)
	for range 3 {
		if err := s.Settle(t.Context(), all); err == nil {
			t.Error("no error")
		}
	}
	if letters := b.take(t, dead); len(letters) != 1 || string(letters[0].Body) != "0" {
		t.Errorf("put down: %+v", letters)
	}
	closeSource(t, s)
	b.wantLeft(t, 2)
}

func BenchmarkDeadLetters(b *testing.B) {
	broker := newBroker(b, theServer(b), quorum)
	s := broker.source(b)
	for range b.N {
		b.StopTimer()
		broker.publish(b, "", broker.config.Queue, numbered(0, ingest.BatchMost)...)
		all := judged(receiveFull(b, s, ingest.BatchMost), ingest.DeadLetter)
		b.StartTimer()
		settle(b, s, all)
	}
	b.ReportMetric(float64(b.N*ingest.BatchMost)/b.Elapsed().Seconds(), "letters/s")
}
