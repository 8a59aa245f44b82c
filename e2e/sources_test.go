package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// These tests are not subtests because they take a minute: parallel subtests start after all other tests and would
// run on alone.

func TestConsumersOfKafkaKilledAreReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	replaceConsumers(t, rig.NewKafka)
}

func TestConsumersOfNATSKilledAreReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	replaceConsumers(t, rig.NewNATS)
}

func TestConsumersOfOutboxKilledAreReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	replaceConsumers(t, rig.NewOutbox)
}

func TestConsumersOfSQSKilledAreReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	replaceConsumers(t, rig.NewSQS)
}

func TestConsumersOfRabbitMQKilledAreReplaced(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	replaceConsumers(t, rig.NewRabbitMQ)
}

// replaceConsumers kills, stops and starts consumers under load, and restarts the broker. Every published message
// must be delivered and stored only once, and each group must stay in order.
func replaceConsumers(t *testing.T, newProducer func(*testing.T, string, string) rig.Producer) {
	t.Helper()
	f := newStreamTest(t, newProducer)
	consumers := []*rig.Process{f.consumer(t), f.consumer(t), f.consumer(t)}
	stop := f.publish(t)
	f.awaitMore(t)
	consumers[0].Kill()
	f.awaitMore(t)
	consumers = append(consumers[1:], f.consumer(t))
	f.awaitMore(t)
	consumers[0].Stop(t)
	consumers = append(consumers[1:], f.consumer(t))
	if f.Restart != nil {
		f.Restart(t)
		f.awaitMore(t)
	}
	consumers[0].Kill()
	f.awaitMore(t)
	stop()
	f.account(t)
}

// TestConsumersPauseWithoutDatabase crashes Postgres under a load from Kafka: the consumer keeps the messages it has,
// continues when the database is back, and never exits.
func TestConsumersPauseWithoutDatabase(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	postgres := rig.NewBreakable(t)
	url := rig.URLAt(rig.Must(postgres.URL(t.Context()))(t), rig.Bridge(t, postgres))
	f := newStreamTestOn(t, url, rig.NewKafka)
	consumer := f.consumer(t)
	stop := f.publish(t)
	for _, how := range []rig.Shutdown{rig.Immediate, rig.Fast} {
		f.awaitMore(t)
		rig.NoError(t, postgres.Stop(t.Context(), how))
		published := f.Count()
		rig.Await(t, func() string {
			if f.Count() < published+100 && !f.Lead.UsedUp() {
				return "the producer does not go on while the database is away"
			}
			return ""
		})
		rig.NoError(t, postgres.Start(t.Context()))
	}
	f.awaitMore(t)
	stop()
	f.account(t)
	consumer.Stop(t)
}

// streamTest is a stream to an application with one FIFO endpoint for each group. The expected order is the order of
// commits. Ids do not show it, because ids that two processes create within 4 ms are in random order.
type streamTest struct {
	*rig.Stream
	database string
	org      string
	client   rig.Client
	receiver *rig.Receiver
}

func newStreamTest(t *testing.T, newProducer func(*testing.T, string, string) rig.Producer) *streamTest {
	t.Helper()
	return newStreamTestOn(t, rig.NewDatabase(t), newProducer)
}

func newStreamTestOn(t *testing.T, database string, newProducer func(*testing.T, string, string) rig.Producer) *streamTest {
	t.Helper()
	f := &streamTest{database: database, org: "org_" + rig.Random()}
	s := rig.Start(t, rig.Settings(f.database), "api").Service(t)
	rig.Start(t, rig.Settings(f.database, rig.ShortLeases...), "worker")
	f.client = rig.NewClient(t, s.URL, s.NewToken(t, f.org))
	f.Stream = &rig.Stream{Producer: newProducer(t, f.org, f.database), App: f.client.NewApplication(t), Produced: map[string]int{}}
	f.receiver = rig.NewReceiver(t, nil)
	f.Lead = rig.NewLead(f.receiver, rig.StreamLead)
	for _, group := range rig.StreamGroups {
		id := f.receiver.NewEndpointLike(t, f.client, f.App, svix.EndpointIn{Channels: []string{group}})
		f.client.Call(t, http.StatusOK, "PATCH", "/api/v1/app/"+f.App+"/endpoint/"+id, `{"fifo": true}`)
	}
	return f
}

func (f *streamTest) consumer(t *testing.T) *rig.Process {
	t.Helper()
	p := rig.Start(t, rig.Settings(f.database, rig.SourcesOf(f.Producer, f.org)...), "consume")
	p.AwaitReady(t)
	return p
}

// publish publishes until stop is called. stop returns when everything that was started is published.
func (f *streamTest) publish(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx, t) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// awaitMore waits until 100 more messages have arrived.
func (f *streamTest) awaitMore(t *testing.T) {
	t.Helper()
	before := f.receiver.Distinct()
	rig.Await(t, func() string {
		if now := f.receiver.Distinct(); now < before+100 {
			return fmt.Sprintf("%d messages arrived, and %d are published", now-before, f.Count())
		}
		return ""
	})
}

// account fails unless every published message has arrived and is stored once, in order.
func (f *streamTest) account(t *testing.T) {
	t.Helper()
	want := f.Count()
	rig.Await(t, func() string {
		if got := f.receiver.Distinct(); got < want {
			return fmt.Sprintf("%d of %d messages have arrived", got, want)
		}
		return ""
	})
	arrived := f.arrived(t)
	for group, n := range f.Produced {
		got := arrived[group]
		if !f.Ordered {
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

// arrived returns the numbers of each group's messages, in the order of their first arrival.
func (f *streamTest) arrived(t *testing.T) map[string][]int {
	t.Helper()
	numbers := map[string][]int{}
	for _, a := range f.receiver.All() {
		var e rig.StreamEvent
		if err := json.Unmarshal(a.Body, &e); err != nil {
			t.Fatal(err)
		}
		if a.Nth == 1 {
			numbers[e.Group] = append(numbers[e.Group], e.N)
		}
	}
	return numbers
}

// stored returns how many messages the application has.
func (f *streamTest) stored(t *testing.T) (n int) {
	t.Helper()
	options := svix.MessageListOptions{Limit: new(uint64(250)), WithContent: new(false)}
	for done := false; !done; {
		page := rig.Must(f.client.Message.List(t.Context(), f.App, &options))(t)
		n += len(page.Data)
		options.Iterator, done = page.Iterator, page.Done
	}
	return n
}
