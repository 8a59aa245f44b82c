package nats

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

const (
	patience = time.Minute     // the longest wait for something that must happen
	holdsFor = 2 * time.Second // the ack wait of tests' consumers
)

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

// node is an in-process server with a directory that outlives it.
type node struct {
	options server.Options
	server  atomic.Pointer[server.Server]
}

func startNode(t testing.TB, change ...func(*server.Options)) *node {
	t.Helper()
	n := &node{options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	}}
	for _, c := range change {
		c(&n.options)
	}
	n.start(t)
	t.Cleanup(n.stop)
	return n
}

func (n *node) start(t testing.TB) {
	t.Helper()
	options := n.options // a server writes into its options
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	n.server.Store(s)
}

func (n *node) stop() {
	n.server.Load().Shutdown()
	n.server.Load().WaitForShutdown()
}

// broker is a stream and its dead letter stream. Consumers connect through a proxy, whose port stays the same when
// the server restarts.
type broker struct {
	name   string
	node   *node // nil: a server that is not ours
	url    func() string
	proxy  *sourcetest.Listener
	deaf   atomic.Bool // the proxy loses what the server sends
	config Config
}

// newBroker uses the server that E2E_NATS_URL names, or an in-process one.
func newBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{name: "T" + nuid.Next()}
	if address := os.Getenv("E2E_NATS_URL"); address != "" {
		b.url = func() string { return address }
	} else {
		b.node = startNode(t)
		b.url = func() string { return b.node.server.Load().ClientURL() }
	}
	b.proxy = b.startProxy(t)
	b.config = Config{
		URLs: []string{"nats://" + b.proxy.Addr().String()}, Stream: b.name, Consumer: "postrider",
		DeadLetterSubject: b.name + "-dead", AckWait: holdsFor.String(), ackWaitLeast: time.Second,
	}
	js := b.admin(t)
	b.makeStream(t, js, b.name, b.name+".>")
	b.makeStream(t, js, b.name+"-dead", b.name+"-dead")
	return b
}

func (b *broker) address() (string, error) {
	u, err := url.Parse(b.url())
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "4222")), nil
}

func (b *broker) makeStream(t testing.TB, js jetstream.JetStream, name, subject string) {
	t.Helper()
	if _, err := js.CreateStream(within(t), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.node == nil {
			_ = b.admin(t).DeleteStream(within(t), name)
		}
	})
}

// admin returns a connection that bypasses the proxy.
func (b *broker) admin(t testing.TB) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(b.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (b *broker) Source(t testing.TB) ingest.Source {
	t.Helper()
	return b.source(t)
}

func (b *broker) source(t testing.TB) *Source {
	t.Helper()
	s, err := New(b.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(within(t)) })
	return s
}

func (b *broker) Produce(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	js := b.admin(t)
	var last jetstream.PubAckFuture
	for _, m := range messages {
		msg := &nats.Msg{Subject: b.name + "." + m.Group, Data: []byte(m.Body), Header: nats.Header{}}
		for name, value := range m.Headers {
			msg.Header.Set(name, value)
		}
		var err error
		if last, err = js.PublishMsgAsync(msg); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	select {
	case <-last.Ok():
	case err := <-last.Err():
		t.Fatal(err)
	}
}

// kept returns the messages of a stream.
func (b *broker) kept(t testing.TB, stream string) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	s, err := b.admin(t).Stream(within(t), stream)
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		m, err := s.GetMsg(within(t), seq)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func (b *broker) DeadLetters(t testing.TB) (letters []sourcetest.DeadLetter) {
	t.Helper()
	for _, m := range b.kept(t, b.name+"-dead") {
		letters = append(letters, sourcetest.DeadLetter{Body: string(m.Data), Reason: m.Header.Get(ingest.ReasonHeader)})
	}
	return letters
}

// Break stops the server if it is ours. The suite breaks it in the middle of operations, so this is a realistic
// restart of a broker.
func (b *broker) Break(testing.TB) {
	b.proxy.Break()
	if b.node != nil {
		b.node.stop()
	}
}

func (b *broker) Mend(t testing.TB) {
	t.Helper()
	if b.node != nil {
		b.node.start(t)
	}
	b.proxy.Mend()
}

// consumer returns the server's state of the consumer.
func (b *broker) consumer(t testing.TB) *jetstream.ConsumerInfo {
	t.Helper()
	c, err := b.admin(t).Consumer(within(t), b.config.Stream, b.config.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}

// publish publishes messages whose bodies are these numbers.
func (b *broker) publish(t testing.TB, from, to int) {
	t.Helper()
	b.Produce(t, numbered(from, to)...)
}

func numbered(from, to int) (all []sourcetest.Produced) {
	for n := from; n <= to; n++ {
		all = append(all, sourcetest.Produced{Group: "red", Body: strconv.Itoa(n)})
	}
	return all
}

// receive waits for a batch.
func receive(t testing.TB, s *Source) []ingest.Message {
	t.Helper()
	batch, err := s.Receive(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// take receives and settles until n messages have arrived.
func take(t testing.TB, s *Source, n int) (all []string) {
	t.Helper()
	for len(all) < n {
		batch := receive(t, s)
		all = append(all, bodies(batch)...)
		settle(t, s, verdicts(ingest.Ack, batch...))
	}
	return all
}

func settle(t testing.TB, s *Source, settlements []ingest.Settlement) {
	t.Helper()
	if err := s.Settle(within(t), settlements); err != nil {
		t.Fatal(err)
	}
}

func verdicts(v ingest.Verdict, batch ...ingest.Message) (all []ingest.Settlement) {
	for _, m := range batch {
		all = append(all, ingest.Settlement{Message: m, Verdict: v, Reason: "nobody wants it"})
	}
	return all
}

func bodies(batch []ingest.Message) (all []string) {
	for _, m := range batch {
		all = append(all, string(m.Body))
	}
	return all
}

// wantNumbers checks that the messages were published under these numbers, in order.
func wantNumbers(t testing.TB, got []string, from, to int) {
	t.Helper()
	var want []string
	for n := from; n <= to; n++ {
		want = append(want, strconv.Itoa(n))
	}
	if !slices.Equal(got, want) {
		t.Errorf("received %q, want %d to %d in order", got, from, to)
	}
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %v, want one with %q", err, part)
		}
	}
}
