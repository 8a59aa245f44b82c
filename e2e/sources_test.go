package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// producer is a broker, or the outbox, as those see it who publish to it.
type producer struct {
	source  string                                                                             // what a source is configured with to read it
	env     []string                                                                           // what a consumer's environment needs besides
	produce func(ctx context.Context, group, id, body string, headers map[string]string) error // returns once the broker has it; the same id may be produced again
	restart func(t *testing.T)                                                                 // nil: it is somebody else's to restart
	ordered bool                                                                               // groups keep their order among several consumers
}

// producers are all brokers that these tests can have, by name. Each is started for a test alone.
var producers = map[string]func(t *testing.T, org string, database string) producer{
	"kafka":    newKafka,
	"nats":     newNATS,
	"outbox":   newOutbox,
	"sqs":      newSQS,
	"rabbitmq": newRabbitMQ,
}

// stream is messages that are published one after the other, in groups, until it is stopped.
type stream struct {
	producer
	app  string
	lead *lead

	mu       sync.Mutex
	produced map[string]int // by group, how many
}

// streamPace is between two messages of a group, less than what an endpoint in order can take.
const streamPace = 25 * time.Millisecond

var streamGroups = []string{"red", "green", "blue", "black"}

// streamLead is what a stream may be ahead of deliveries: what it publishes in six seconds.
const streamLead = 1000

// run publishes until ctx ends. What fails is published again: the broker may be away.
func (s *stream) run(ctx context.Context, t *testing.T) {
	t.Helper()
	var groups sync.WaitGroup
	for _, group := range streamGroups {
		groups.Go(func() {
			for n := 0; pause(ctx, streamPace) == nil; {
				if !s.lead.usedUp() {
					s.publish(t, group, n)
					n++
				}
			}
		})
	}
	groups.Wait()
}

func (s *stream) publish(t *testing.T, group string, n int) {
	t.Helper()
	body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.stream", "channels": [%q], "payload": {"group": %[2]q, "n": %d}}`, s.app, group, n)
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := s.produce(ctx, group, fmt.Sprintf("%s-%d", group, n), body, nil)
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("publish: %v", err)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.produced[group] = n + 1
	s.lead.sent()
}

func (s *stream) count() (all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.produced {
		all += n
	}
	return all
}

// event is the payload of a message of a stream.
type event struct {
	Group string
	N     int
}

// sourcesOf are the settings that have a source read a producer.
func sourcesOf(p producer, org string) []string {
	sources := fmt.Sprintf("POSTRIDER_SOURCES=sources: [{name: stream, organization: %s, %s}]", org, p.source)
	if strings.HasPrefix(p.source, "outbox") {
		sources = "POSTRIDER_SOURCES=sources: [{name: stream, " + p.source + "}]"
	}
	return append(slices.Clone(p.env), sources)
}

// TestConsumersAreKilledAndReplaced: under load consumers are killed, stopped and started, and the broker is
// restarted. Whatever was published is delivered, none of it stored twice, each group in order.
func TestConsumersAreKilledAndReplaced(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	ownProcesses(t)
	for name, newProducer := range producers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newStreamTest(t, newProducer)
			consumers := []*process{f.consumer(t), f.consumer(t), f.consumer(t)}
			stop := f.publish(t)
			f.awaitMore(t)
			consumers[0].kill()
			f.awaitMore(t)
			consumers = append(consumers[1:], f.consumer(t))
			f.awaitMore(t)
			consumers[0].stop(t)
			consumers = append(consumers[1:], f.consumer(t))
			if f.restart != nil {
				f.restart(t)
				f.awaitMore(t)
			}
			consumers[0].kill()
			f.awaitMore(t)
			stop()
			f.account(t)
		})
	}
}

// TestDatabaseThatGoesAwayPausesConsumers crashes Postgres under a load from Kafka: the consumer holds on to
// what it has, goes on when the database is back, and ends for nothing.
func TestDatabaseThatGoesAwayPausesConsumers(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	postgres := newBreakable(t)
	url := urlAt(must(postgres.url(t.Context()))(t), bridge(t, postgres))
	f := newStreamTestOn(t, url, newKafka)
	consumer := f.consumer(t)
	stop := f.publish(t)
	for _, how := range []shutdown{immediate, fast} {
		f.awaitMore(t)
		done(t, postgres.stop(t.Context(), how))
		published := f.count()
		await(t, func() string {
			if f.count() < published+100 && !f.lead.usedUp() {
				return "the producer does not go on while the database is away"
			}
			return ""
		})
		done(t, postgres.start(t.Context()))
	}
	f.awaitMore(t)
	stop()
	f.account(t)
	consumer.stop(t)
}

// streamTest is a stream to an application that has an endpoint for each group, which gets its messages in
// order: that of the commits. Ids are no measure of it, as those that two processes make within 4 ms are in
// no order.
type streamTest struct {
	*stream
	database string
	org      string
	client   client
	receiver *receiver
}

func newStreamTest(t *testing.T, newProducer func(*testing.T, string, string) producer) *streamTest {
	t.Helper()
	return newStreamTestOn(t, newDatabase(t), newProducer)
}

func newStreamTestOn(t *testing.T, database string, newProducer func(*testing.T, string, string) producer) *streamTest {
	t.Helper()
	f := &streamTest{database: database, org: "org_" + random()}
	s := start(t, settings(f.database), "api").service(t)
	start(t, settings(f.database, shortLeases...), "worker")
	f.client = newClient(t, s.url, s.token(t, f.org))
	f.stream = &stream{producer: newProducer(t, f.org, f.database), app: f.client.application(t), produced: map[string]int{}}
	f.receiver = newReceiver(t, nil)
	f.lead = newLead(f.receiver, streamLead)
	for _, group := range streamGroups {
		id := f.receiver.endpointLike(t, f.client, f.app, svix.EndpointIn{Channels: []string{group}})
		f.client.call(t, http.StatusOK, "PATCH", "/api/v1/app/"+f.app+"/endpoint/"+id, `{"fifo": true}`)
	}
	return f
}

func (f *streamTest) consumer(t *testing.T) *process {
	t.Helper()
	p := start(t, settings(f.database, sourcesOf(f.producer, f.org)...), "consume")
	p.ready(t)
	return p
}

// publish publishes until stop is called, which returns when all that was begun is published.
func (f *streamTest) publish(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.run(ctx, t) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// awaitMore waits until more messages arrive than there were.
func (f *streamTest) awaitMore(t *testing.T) {
	t.Helper()
	before := f.receiver.distinct()
	await(t, func() string {
		if now := f.receiver.distinct(); now < before+100 {
			return fmt.Sprintf("%d messages arrived, and %d are published", now-before, f.count())
		}
		return ""
	})
}

// distinct is how many messages have arrived.
func (r *receiver) distinct() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

// account wants all that was published to have arrived, and to be stored once and in order.
func (f *streamTest) account(t *testing.T) {
	t.Helper()
	want := f.count()
	await(t, func() string {
		if got := f.receiver.distinct(); got < want {
			return fmt.Sprintf("%d of %d messages have arrived", got, want)
		}
		return ""
	})
	arrived := f.arrived(t)
	for group, n := range f.produced {
		got := arrived[group]
		if !f.ordered {
			slices.Sort(got)
		}
		for i := range max(n, len(got)) {
			if i >= len(got) || i >= n || got[i] != i {
				t.Errorf("group %s: %d messages were published and %d arrived; at place %d they are not as they were: %v",
					group, n, len(got), i, got[max(0, i-2):min(len(got), i+3)])
				break
			}
		}
	}
	if stored := f.stored(t); stored != want {
		t.Errorf("%d messages were published, and %d are stored", want, stored)
	}
	t.Logf("%d messages were published, stored once each and delivered", want)
}

// arrived is the numbers of the messages of each group, in the order in which they arrived first.
func (f *streamTest) arrived(t *testing.T) map[string][]int {
	t.Helper()
	numbers := map[string][]int{}
	for _, a := range f.receiver.all() {
		var e event
		if err := json.Unmarshal(a.body, &e); err != nil {
			t.Fatal(err)
		}
		if a.nth == 1 {
			numbers[e.Group] = append(numbers[e.Group], e.N)
		}
	}
	return numbers
}

// stored is how many messages the application has.
func (f *streamTest) stored(t *testing.T) (n int) {
	t.Helper()
	options := svix.MessageListOptions{Limit: new(uint64(250)), WithContent: new(false)}
	for done := false; !done; {
		page := must(f.client.Message.List(t.Context(), f.app, &options))(t)
		n += len(page.Data)
		options.Iterator, done = page.Iterator, page.Done
	}
	return n
}
