package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	nometer "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// store keeps the bodies of messages with new positions.
type store struct {
	mu     sync.Mutex
	known  map[string]bool
	stored []string
	again  int
}

func (s *store) MessageIngestMany(_ context.Context, ins []core.IngestIn) []core.Ingested {
	s.mu.Lock()
	defer s.mu.Unlock()
	outcomes := make([]core.Ingested, len(ins))
	for i, in := range ins {
		if s.known[in.Position] {
			outcomes[i].Known = true
			s.again++
			continue
		}
		s.known[in.Position] = true
		s.stored = append(s.stored, string(in.Payload))
	}
	return outcomes
}

// of returns a producer's messages, in the order they were stored.
func (s *store) of(producer string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.stored {
		if strings.HasPrefix(body, producer+"/") {
			all = append(all, body)
		}
	}
	return all
}

// run runs a consumer as the service does, until the test ends.
func run(t testing.TB, s *Source, sink ingest.Sink) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		ingest.Run(ctx, ingest.Config{
			Name: "test", Source: s, Sink: sink, StopTimeout: patience, BackOffMost: 500 * time.Millisecond,
			Tracer: noop.NewTracerProvider().Tracer(""), Meter: nometer.NewMeterProvider().Meter(""), Clock: time.Now, Log: slog.New(slog.DiscardHandler),
			Decode: func(m ingest.Message) (core.IngestIn, error) {
				return core.IngestIn{MessageIn: core.MessageIn{Payload: m.Body}}, nil
			},
		})
	})
	t.Cleanup(func() { cancel(); done.Wait() })
}

// producer publishes messages one after the other, each after the previous one is confirmed.
type producer struct {
	server *server
	name   string
	queue  string

	mu        sync.Mutex
	confirmed []string
}

func (p *producer) sofar() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.confirmed) // which only grows
}

func (p *producer) run(ctx context.Context) {
	for pause(ctx, 50*time.Millisecond) { // before it tries another connection
		p.publish(ctx)
	}
}

// pause waits for d and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// producerPace is the pause between two messages of a producer: more messages prove nothing more, and would take
// processor time from the server that must start again.
const producerPace = 5 * time.Millisecond

// publish publishes until something fails.
func (p *producer) publish(ctx context.Context) {
	conn, err := p.server.dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err != nil || channel.Confirm(false) != nil {
		return
	}
	for pause(ctx, producerPace) {
		body := fmt.Sprintf("%s/%06d", p.name, len(p.sofar()))
		confirmation, err := channel.PublishWithDeferredConfirm("", p.queue, true, false, amqp.Publishing{
			MessageId: body, DeliveryMode: amqp.Persistent, Body: []byte(body),
		})
		if err != nil || !confirmation.Wait() {
			return
		}
		p.mu.Lock()
		p.confirmed = append(p.confirmed, body)
		p.mu.Unlock()
	}
}

// awaitMore waits until n more messages are confirmed.
func (p *producer) awaitMore(t testing.TB, n int) {
	t.Helper()
	n += len(p.sofar())
	await(t, func() string {
		if got := len(p.sofar()); got < n {
			return fmt.Sprintf("%d of %d messages of producer %s are confirmed", got, n, p.name)
		}
		return ""
	})
}

func TestBrokerThatDiesUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	b := newBroker(t, server, single)
	sink := &store{known: map[string]bool{}}
	run(t, b.source(t), sink)
	run(t, b.source(t), sink)

	ctx, cancel := context.WithCancel(t.Context())
	var producing sync.WaitGroup
	defer producing.Wait()
	defer cancel()
	producers := make([]*producer, 4)
	for i := range producers {
		producers[i] = &producer{server: server, name: fmt.Sprint(i), queue: b.config.Queue}
		producing.Go(func() { producers[i].run(ctx) })
	}
	all := func(do func(*producer)) {
		for _, p := range producers {
			do(p)
		}
	}
	for _, end := range []func(testing.TB){server.kill, server.stop, server.kill} {
		all(func(p *producer) { p.awaitMore(t, 100) })
		end(t)
		server.start(t)
	}
	all(func(p *producer) { p.awaitMore(t, 100) })
	cancel()
	producing.Wait()
	all(func(p *producer) {
		want := p.sofar()
		await(t, func() string {
			if got := len(sink.of(p.name)); got < len(want) {
				return fmt.Sprintf("%d of %d messages of producer %s are stored", got, len(want), p.name)
			}
			return ""
		})
		// One more may have been stored although its confirmation was lost.
		if got := sink.of(p.name); !slices.Equal(got[:len(want)], want) || len(got) > len(want)+1 {
			t.Errorf("of producer %s %d messages are stored, want the %d that are confirmed, each once and in order", p.name, len(got), len(want))
		}
	})
	t.Logf("%d messages stored; %d came again and were known", len(sink.stored), sink.again)
}

// While RabbitMQ is short of memory it confirms nothing. That blocks dead letters and the messages after them, but
// not the acknowledgements of earlier messages.
func TestBrokerShortOfMemoryHoldsUpDeadLettersOnly(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	b := newBroker(t, server, quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 10)...)
	s := b.source(t)
	s.timeout = time.Second
	batch := receiveFull(t, s, 10)
	server.tell(t, "set_vm_memory_high_watermark", "0.000001")
	err := s.Settle(t.Context(), judged(batch, ingest.Ack, ingest.Ack, ingest.DeadLetter, ingest.Ack))
	if err == nil || !strings.Contains(err.Error(), "short of memory") {
		t.Errorf("settle: %v", err)
	}
	server.tell(t, "set_vm_memory_high_watermark", "0.9")
	s.timeout = patience
	settle(t, s, judged(batch, ingest.Ack, ingest.Ack, ingest.DeadLetter, ingest.Ack))
	closeSource(t, s)
	b.wantLeft(t, 0)
	if letters := b.DeadLetters(t); len(letters) == 0 || letters[0].Body != "2" {
		t.Errorf("put down: %v", letters)
	}
}

// RabbitMQ closes the channel of a consumer that holds messages for too long, as we do while the database is down.
func TestBrokerThatTakesMessagesAwayLosesNothing(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	server.tell(t, "eval", "application:set_env(rabbit, consumer_timeout, 500), application:set_env(rabbit, channel_tick_interval, 500).")
	b := newBroker(t, server, quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 10)...)
	s := b.source(t)
	old := receiveFull(t, s, 10)
	await(t, func() string {
		if !s.link.lost() {
			return "the channel is not closed"
		}
		return ""
	})
	settle(t, s, judged(old, ingest.Ack))
	again := receiveAll(t, s, 10)
	for i, m := range again {
		if m.Position != old[i].Position {
			t.Errorf("message %d comes again under another position", i)
		}
	}
	closeSource(t, s)
	b.wantLeft(t, 0)
}
