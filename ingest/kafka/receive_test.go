package kafka

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.publish(t, &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: []byte("body"), Headers: []kgo.RecordHeader{
		{Key: "traceparent", Value: []byte("00-a")}, {Key: "tracestate", Value: []byte("b=c")},
		{Key: "twice", Value: []byte("first")}, {Key: "twice", Value: []byte("last")},
	}})
	s := b.source(t, b.dial)
	m := receive(t, s)[0]
	closeSource(t, s)
	if m.Topic != b.topic() || m.Key != "red" || string(m.Body) != "body" {
		t.Errorf("the message is %+v", m)
	}
	for key, want := range map[string]string{"traceparent": "00-a", "tracestate": "b=c", "twice": "last"} {
		if got := m.Headers[key]; got != want {
			t.Errorf("header %s is %q, want %q", key, got, want)
		}
	}
	id, rest, _ := strings.Cut(m.Position, "/")
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || rest != fmt.Sprintf("%d/0", record(m).Partition) {
		t.Errorf("the position is %q, want the topic's id, the partition and the offset", m.Position)
	}
	if b.fake != nil {
		if info := b.fake.TopicInfo(b.topic()); id != fmt.Sprintf("%x", info.TopicID[:]) {
			t.Errorf("the position begins with %s, want the topic's id, %x", id, info.TopicID)
		}
	}
}

// With brokers too old for topic ids, the position contains the topic's name instead.
func TestPositionWithoutTopicID(t *testing.T) {
	t.Parallel()
	m := message([16]byte{}, &kgo.Record{Topic: "orders", Partition: 3, Offset: 42})
	if m.Position != "orders/3/42" {
		t.Errorf("the position is %q", m.Position)
	}
}

func TestBatchIsBounded(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.Produce(t, interleaved(0, 50)...)
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	most := 0
	for found := 0; found < 50*len(keys()); {
		batch := receive(t, s)
		found, most = found+len(batch), max(most, len(batch))
		settle(t, s, verdicts(ingest.Ack, batch)...)
	}
	if most > ingest.BatchMost || most < ingest.BatchMost/2 {
		t.Errorf("the largest batch has %d messages, want %d at most, and not far less", most, ingest.BatchMost)
	}
	const bodies, body = 60, 900_000
	for i := range bodies {
		b.Produce(t, sourcetest.Produced{Group: fmt.Sprint("large-", i), Body: strings.Repeat(fmt.Sprint(i%10), body)})
	}
	for found := 0; found < bodies; {
		batch := receive(t, s)
		found += len(batch)
		if got := len(batch) * body; got > 16<<20 {
			t.Errorf("a batch has bodies of %d bytes", got)
		}
		settle(t, s, verdicts(ingest.Ack, batch)...)
	}
}

// Messages that a producer has not committed, or has aborted, are not received.
func TestTransactions(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	producer := b.connect(t, kgo.TransactionalID(b.config.Group))
	for n, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: fmt.Append(nil, n)}
		if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	s := b.source(t, b.dial)
	if batch := receive(t, s); len(batch) != 1 || string(batch[0].Body) != "1" {
		t.Errorf("%d messages were received, the first is %s, want the one that was committed", len(batch), batch[0].Body)
	}
	closeSource(t, s)
}

// Older messages are not received, and a message that was received once is redelivered to the next member, even if it
// is the first of its partition.
func TestStartLatest(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			b.config.Start = latest
			b.Produce(t, series("red", 0, 5)...)
			first := b.source(t, b.dial)
			ctx, cancel := context.WithCancel(t.Context())
			received := make(chan []ingest.Message)
			go func() {
				batch, _ := first.Receive(ctx)
				received <- batch
			}()
			await(t, func() string {
				if got := len(b.committed()); got < partitions {
					return fmt.Sprintf("of %d partitions it is committed where the group begins", got)
				}
				return ""
			})
			b.Produce(t, series("red", 5, 6)...)
			batch := <-received
			cancel()
			if len(batch) != 1 || string(batch[0].Body) != "5" {
				t.Errorf("received are %d messages", len(batch))
			}
			closeSource(t, first)
			second := b.source(t, b.dial)
			if batch := receive(t, second); string(batch[0].Body) != "5" {
				t.Errorf("message 5 did not come again, but %s", batch[0].Body)
			}
			closeSource(t, second)
		})
	}
}

// A topic that is recreated under its name has new messages at the offsets of old ones.
func TestTopicIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			s := b.source(t, b.dial)
			b.Produce(t, series("red", 0, 3)...)
			before := receive(t, s)
			settle(t, s, verdicts(ingest.Ack, before[:1])...)
			remake := func() {
				t.Helper()
				if err := b.fake.DeleteTopic(b.topic()); err != nil {
					t.Fatal(err)
				}
				if err := b.fake.CreateTopic(b.topic(), partitions, nil); err != nil {
					t.Fatal(err)
				}
				b.client.PurgeTopicsFromProducing(b.topic())
				b.Produce(t, series("red", 10, 13)...)
			}
			remake()
			settle(t, s, verdicts(ingest.Ack, before)...) // of the old topic
			after := receive(t, s)
			if string(after[0].Body) != "10" || record(after[0]).Offset != 0 {
				t.Fatalf("the first message of the new topic is %s, at offset %d", after[0].Body, record(after[0]).Offset)
			}
			if after[0].Position == before[0].Position {
				t.Errorf("messages of the old topic and the new one both have position %s", after[0].Position)
			}
			settle(t, s, verdicts(ingest.Ack, after)...)
			closeSource(t, s)

			remake() // while nobody is there
			s = b.source(t, b.dial)
			if again := receive(t, s); string(again[0].Body) != "10" || again[0].Position == after[0].Position {
				t.Errorf("the first message is %s, at %s", again[0].Body, again[0].Position)
			}
			closeSource(t, s)
		})
	}
}

// If one topic is not readable or is deleted, messages of the other still arrive, without a pause, and it is logged.
func TestTopicThatFailsDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	refuse := func(keys ...kmsg.Key) func(testing.TB, *broker) {
		return func(_ testing.TB, b *broker) {
			b.fake.Fault(kfake.Fault{Keys: keys, Topic: "other", Err: kerr.TopicAuthorizationFailed, Count: -1})
		}
	}
	for name, cause := range map[string]func(testing.TB, *broker){
		"messages are refused": refuse(kmsg.Fetch),
		"refused":              refuse(kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets),
		"deleted": func(t testing.TB, b *broker) {
			t.Helper()
			if err := b.fake.DeleteTopic("other"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.config.Topics = append(b.config.Topics, "other")
			if err := b.fake.CreateTopic("other", partitions, nil); err != nil {
				t.Fatal(err)
			}
			s, log, wall := b.logged(t)
			defer closeSource(t, s)
			b.Produce(t, series("red", 0, 1)...)
			settle(t, s, verdicts(ingest.Ack, receive(t, s))...)
			cause(t, b)
			wait := s.poll
			await(t, func() string {
				wait *= 2
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				if _, err := s.Receive(ctx); ctx.Err() == nil {
					t.Errorf("the first topic is held up: %v", err)
				}
				wall.pass(wait) // an unknown topic may be known in a moment, so at first that is not logged
				if !strings.Contains(log.String(), "topic=other") {
					return "the log does not name the other topic: " + log.String()
				}
				return ""
			})
			b.Produce(t, series("red", 1, 6)...)
			for found := 0; found < 5; {
				batch := receive(t, s)
				found += len(batch)
				settle(t, s, verdicts(ingest.Ack, batch)...)
			}
		})
	}
}

// The client gives up a partition whose committed offset it cannot get, and would never read it.
func TestPartitionWithoutAKnownOffsetIsReadLater(t *testing.T) {
	t.Parallel()
	for name, refusals := range map[string]kfake.Fault{
		"refused": {Err: kerr.TopicAuthorizationFailed, Count: 3},
		"unknown": {Err: kerr.UnknownTopicID, Count: 5}, // one more than the client asks
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.config.Topics = append(b.config.Topics, "other")
			if err := b.fake.CreateTopic("other", 1, nil); err != nil {
				t.Fatal(err)
			}
			refusals.Keys, refusals.Topic = []kmsg.Key{kmsg.OffsetFetch}, "other"
			fault := b.fake.Fault(refusals)
			s, log, _ := b.logged(t)
			b.Produce(t, series("red", 0, 1)...)
			b.publish(t, &kgo.Record{Topic: "other", Value: []byte("late")})
			for found := map[string]bool{}; len(found) < 2; {
				batch := receive(t, s)
				for _, m := range batch {
					found[string(m.Body)] = true
				}
				settle(t, s, verdicts(ingest.Ack, batch)...)
			}
			closeSource(t, s)
			if n := strings.Count(log.String(), "partitions requested again"); n == 0 || fault.Hits() < refusals.Count {
				t.Errorf("requested again %d times after %d refusals", n, fault.Hits())
			}
		})
	}
}

// silentBroker returns an address that accepts connections and never responds.
func silentBroker(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// Whether brokers disconnect or never respond, the error is reported in time, and reading resumes once they are back.
func TestBrokersAreAway(t *testing.T) {
	t.Parallel()
	silent := silentBroker(t)
	for name, away := range map[string]func(ctx context.Context, network, address string) (net.Conn, error){
		"they hang up": func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed },
		"they are silent": func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, silent)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			b.Produce(t, series("red", 0, 1)...)
			back := make(chan struct{})
			s := b.source(t, func(ctx context.Context, network, address string) (net.Conn, error) {
				select {
				case <-back:
					return b.dial(ctx, network, address)
				default:
					return away(ctx, network, address)
				}
			})
			defer closeSource(t, s)
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := s.Receive(ctx); err == nil || !strings.Contains(err.Error(), "brokers:") {
				t.Errorf("the error is %v, want one about the brokers", err)
			}
			if took := time.Since(began); took > callTimeout+10*time.Second {
				t.Errorf("it took %s until there was an error", took)
			}
			close(back)
			receive(t, s)
		})
	}
}

// A stop does not wait for silent brokers.
func TestStopWhileBrokersAreSilent(t *testing.T) {
	t.Parallel()
	b := &broker{config: Config{
		Brokers: []string{silentBroker(t)}, Topics: []string{"orders"}, Group: "postrider", DeadLetterTopic: "dead",
	}}
	s := b.source(t, b.dial)
	ctx, cancel := context.WithCancel(t.Context())
	received := make(chan error, 1)
	go func() {
		_, err := s.Receive(ctx)
		received <- err
	}()
	<-time.After(2 * s.poll) // by now it asks whether they are up
	began := time.Now()
	cancel()
	if err := <-received; err == nil {
		t.Error("there is no error")
	}
	closeSource(t, s)
	if took := time.Since(began); took > requestTimeout/2 {
		t.Errorf("it took %s to stop", took)
	}
}
