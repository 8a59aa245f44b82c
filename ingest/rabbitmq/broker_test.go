package rabbitmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// The arguments of queues.
var (
	quorum  = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	single  = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, amqp.SingleActiveConsumerArg: true}
	classic = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeClassic}
)

// broker is a queue and its dead letter queue.
type broker struct {
	*proxy
	server    *server
	channel   *amqp.Channel // ours, bypassing the proxy
	config    Config
	arguments amqp.Table // of the queue
	letters   []sourcetest.DeadLetter
}

var _ sourcetest.Broker = (*broker)(nil)

// newBroker declares the queues. The dead letter queue is always of the same kind: a queue with a single active
// consumer refuses to return single messages, which tests ask for.
func newBroker(t testing.TB, s *server, arguments amqp.Table) *broker {
	t.Helper()
	b := &broker{proxy: newProxy(t, s, nil), server: s, channel: openChannel(t, s), arguments: arguments}
	b.config = Config{
		URL: s.urlAt(b.Addr().String()), Queue: "queue-" + rand.Text(), DeadLetterRoutingKey: "dead-" + rand.Text(),
	}
	b.declare(t, b.config.Queue, arguments)
	b.declare(t, b.config.DeadLetterRoutingKey, quorum)
	return b
}

// openChannel opens a channel with publisher confirms until the test ends.
func openChannel(t testing.TB, s *server) *amqp.Channel {
	t.Helper()
	conn, err := s.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return channel
}

func (b *broker) declare(t testing.TB, name string, arguments amqp.Table) {
	t.Helper()
	if _, err := b.channel.QueueDeclare(name, true, false, false, false, arguments); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = b.channel.QueueDelete(name, false, false, false) })
}

func (b *broker) Source(t testing.TB) ingest.Source {
	t.Helper()
	return b.source(t)
}

func (b *broker) source(t testing.TB) *Source {
	t.Helper()
	return newSource(t, b.config)
}

func newSource(t testing.TB, c Config) *Source {
	t.Helper()
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSource(t, s) })
	return s
}

func closeSource(t testing.TB, s *Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (b *broker) Produce(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.publish(t, "", b.config.Queue, publishings(messages)...)
}

func publishings(messages []sourcetest.Produced) []amqp.Publishing {
	all := make([]amqp.Publishing, len(messages))
	for i, m := range messages {
		all[i] = amqp.Publishing{Body: []byte(m.Body), Headers: amqp.Table{"group": m.Group}}
		for name, value := range m.Headers {
			all[i].Headers[name] = value
		}
	}
	return all
}

// publish publishes messages, and waits until they are confirmed.
func (b *broker) publish(t testing.TB, exchange, key string, messages ...amqp.Publishing) {
	t.Helper()
	confirmations := make([]*amqp.DeferredConfirmation, len(messages))
	for i, m := range messages {
		m.MessageId, m.DeliveryMode = rand.Text(), amqp.Persistent
		var err error
		if confirmations[i], err = b.channel.PublishWithDeferredConfirm(exchange, key, true, false, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range confirmations {
		if !c.Wait() {
			t.Fatal("a message is not confirmed")
		}
	}
}

// take takes all ready messages of a queue, without the header that quorum queues may add.
func (b *broker) take(t testing.TB, queue string) (all []amqp.Delivery) {
	t.Helper()
	for {
		d, ok, err := b.channel.Get(queue, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		delete(d.Headers, "x-delivery-count")
		all = append(all, d)
	}
}

func (b *broker) DeadLetters(t testing.TB) []sourcetest.DeadLetter {
	t.Helper()
	for _, d := range b.take(t, b.config.DeadLetterRoutingKey) {
		reason, _ := d.Headers[ingest.ReasonHeader].(string)
		b.letters = append(b.letters, sourcetest.DeadLetter{Body: string(d.Body), Reason: reason})
	}
	return b.letters
}

// Break waits until the server has noticed. A consumer that reconnects sooner gets newer messages before those that
// the server still counts as the old consumer's, unless the queue has a single active consumer.
func (b *broker) Break(t testing.TB) {
	t.Helper()
	b.proxy.Break()
	await(t, func() string {
		if n := b.state(t).Consumers; n > 0 {
			return fmt.Sprintf("the server believes in %d consumers", n)
		}
		return ""
	})
}

func (b *broker) Mend(testing.TB) { b.proxy.Mend() }

func (b *broker) state(t testing.TB) amqp.Queue {
	t.Helper()
	state, err := b.channel.QueueDeclarePassive(b.config.Queue, false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// await polls until missing returns nothing. On a timeout the test fails with what was still missing.
func await(t testing.TB, missing func() string) {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		lack := missing()
		if lack == "" {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %s: %s", patience, lack)
		case <-poll.C:
		}
	}
}
