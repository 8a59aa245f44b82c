package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// patience is how long a test waits for anything. It is far longer than anything takes on a slow and busy machine, and than
// the age at which a client reads the metadata again.
const patience = 3 * time.Minute

// partitions is the number of partitions of each topic in these tests.
const partitions = 6

// gate is the consumers' way to their brokers, until it is broken.
type gate struct {
	mu     sync.Mutex
	broken bool
	conns  []net.Conn
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken {
		_ = conn.Close()
		return nil, errors.New("the gate is broken")
	}
	g.conns = append(g.conns, conn)
	return conn, nil
}

func (g *gate) set(broken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken = broken; broken {
		for _, conn := range g.conns {
			_ = conn.Close()
		}
		g.conns = nil
	}
}

// broker is a cluster with a topic and its dead letter topic: the one that E2E_KAFKA_BROKERS names, or a protocol
// fake, which proves what the client does, not what Kafka does.
type broker struct {
	gate
	config Config
	client *kgo.Client    // bypasses the gate
	fake   *kfake.Cluster // nil: real brokers
}

// newBroker returns a broker; options are the fake's.
func newBroker(t testing.TB, options ...kfake.Opt) *broker {
	t.Helper()
	b := &broker{}
	if real := os.Getenv("E2E_KAFKA_BROKERS"); real != "" && len(options) == 0 {
		b.config.Brokers = strings.Split(real, ",")
	} else {
		b.startFake(t, options...)
	}
	name := rand.Text()
	b.config.Group, b.config.Topics, b.config.DeadLetterTopic = "g-"+name, []string{"t-" + name}, "d-"+name
	b.client = b.connect(t)
	if _, err := kadm.NewClient(b.client).CreateTopics(t.Context(), partitions, -1, nil, b.topic(), b.config.DeadLetterTopic); err != nil {
		t.Fatal(err)
	}
	return b
}

// newFake returns a fake even if there are real brokers, for tests that inspect it.
func newFake(t testing.TB, options ...kfake.Opt) *broker {
	t.Helper()
	return newBroker(t, append(options, kfake.NumBrokers(3))...)
}

// generations are brokers that treat a recreated topic differently: before 4.2 they accept a commit by the topic's
// name, and with it offsets of the old topic.
var generations = map[string]kfake.Opt{
	"3.9":    kfake.MaxVersions(kversion.V3_9_0()),
	"4.0":    kfake.MaxVersions(kversion.V4_0_0()),
	"newest": kfake.MaxVersions(kversion.Stable()),
}

func (b *broker) startFake(t testing.TB, options ...kfake.Opt) {
	t.Helper()
	fake, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	b.fake, b.config.Brokers = fake, fake.ListenAddrs()
}

// connect returns a client for the test itself.
func (b *broker) connect(t testing.TB, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(b.config.Brokers...), kgo.DisableClientMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (b *broker) topic() string { return b.config.Topics[0] }

// Source returns a consumer that quickly notices changes in its group.
func (b *broker) Source(t testing.TB) ingest.Source {
	t.Helper()
	return b.source(t, b.dial)
}

func (b *broker) source(t testing.TB, dial func(context.Context, string, string) (net.Conn, error)) *Source {
	t.Helper()
	s, err := New(b.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.poll, s.checkTimeout, s.quiet, s.givenUp = 500*time.Millisecond, patience, patience, time.Second
	s.options = append(s.options, kgo.Dialer(dial),
		kgo.HeartbeatInterval(100*time.Millisecond), kgo.SessionTimeout(6*time.Second))
	return s
}

// Produce publishes messages whose key is their group.
func (b *broker) Produce(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Topic: b.topic(), Key: []byte(m.Group), Value: []byte(m.Body)}
		for key, value := range m.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
	}
	b.publish(t, records...)
}

func (b *broker) publish(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// letters reads the dead letter topic.
func (b *broker) letters(t testing.TB) (found []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ends, err := kadm.NewClient(b.client).ListEndOffsets(ctx, b.config.DeadLetterTopic)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ends.Each(func(end kadm.ListedOffset) { n += int(end.Offset) })
	if n == 0 {
		return nil
	}
	client := b.connect(t, kgo.ConsumeTopics(b.config.DeadLetterTopic))
	defer client.Close()
	for len(found) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d dead letters could be read", len(found), n)
		}
		found = append(found, fetches.Records()...)
	}
	return found
}

func (b *broker) DeadLetters(t testing.TB) (letters []sourcetest.DeadLetter) {
	t.Helper()
	for _, r := range b.letters(t) {
		letters = append(letters, sourcetest.DeadLetter{Body: string(r.Value), Reason: header(r, ingest.ReasonHeader)})
	}
	return letters
}

func header(r *kgo.Record, key string) (value string) {
	for _, h := range r.Headers {
		if h.Key == key {
			value = string(h.Value)
		}
	}
	return value
}

func (b *broker) Break(testing.TB) { b.set(true) }
func (b *broker) Mend(testing.TB)  { b.set(false) }
