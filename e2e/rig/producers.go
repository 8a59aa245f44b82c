package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/testcontainers/testcontainers-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest/rabbitmq/rabbitmqtest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

// NewKafka starts kfake, a broker that speaks Kafka's protocol, with its data on disk.
func NewKafka(t *testing.T, _, _ string) Producer {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	var cluster *kfake.Cluster
	begin := func() {
		cluster = Must(kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.SyncWrites(),
			kfake.SeedTopics(4, "events"), kfake.SeedTopics(1, "events-dead")))(t)
	}
	begin()
	t.Cleanup(func() { cluster.Close() })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	client := Must(kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("events")))(t)
	t.Cleanup(client.Close)
	return Producer{
		Source:  fmt.Sprintf("kafka: {brokers: [%q], topics: [events], group: e2e, dead_letter_topic: events-dead, session_timeout: 6s}", address),
		Ordered: true,
		Produce: func(ctx context.Context, group, _, body string, headers map[string]string) error {
			record := &kgo.Record{Key: []byte(group), Value: []byte(body)}
			for name, value := range headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
			}
			// A record may be produced even after its context has ended. Therefore wait until it is produced.
			return client.ProduceSync(context.WithoutCancel(ctx), record).FirstErr()
		},
		Restart: func(*testing.T) { cluster.Close(); begin() },
	}
}

// FreePort returns a port that nothing listens on at the moment.
func FreePort(t testing.TB) int {
	t.Helper()
	listener := Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// NewNATS starts a real NATS server in this process.
func NewNATS(t *testing.T, _, _ string) Producer {
	t.Helper()
	options := &natsserver.Options{Host: "127.0.0.1", Port: FreePort(t), JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoLog: true, NoSigs: true}
	var server *natsserver.Server
	begin := func(t *testing.T) {
		t.Helper()
		server = Must(natsserver.NewServer(options))(t)
		go server.Start()
		if !server.ReadyForConnections(Patience) {
			t.Fatal("the NATS server does not start")
		}
	}
	begin(t)
	end := func() { server.Shutdown(); server.WaitForShutdown() }
	t.Cleanup(end)
	url := "nats://127.0.0.1:" + strconv.Itoa(options.Port)
	conn := Must(nats.Connect(url, nats.MaxReconnects(-1)))(t)
	t.Cleanup(conn.Close)
	js := Must(jetstream.New(conn))(t)
	for name, subject := range map[string]string{"events": "events.>", "dead": "dead"} {
		Must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}))(t)
	}
	return Producer{
		Source:  fmt.Sprintf("nats: {urls: [%q], stream: events, consumer: e2e, dead_letter_subject: dead, ack_wait: 30s}", url),
		Ordered: true,
		Produce: func(ctx context.Context, group, id, body string, headers map[string]string) error {
			m := nats.NewMsg("events." + group)
			m.Data = []byte(body)
			for name, value := range headers {
				m.Header.Set(name, value)
			}
			_, err := js.PublishMsg(ctx, m, jetstream.WithMsgID(id))
			return err
		},
		Restart: func(t *testing.T) {
			t.Helper()
			end()
			begin(t)
		},
	}
}

// NewOutbox returns a producer that writes to the database's outbox.
func NewOutbox(t *testing.T, org, database string) Producer {
	t.Helper()
	pool := Must(pgxpool.New(t.Context(), database))(t)
	t.Cleanup(pool.Close)
	return Producer{
		Source: "outbox: {}", Ordered: true,
		Produce: func(ctx context.Context, _, _, body string, headers map[string]string) error {
			var in struct {
				Application, EventType string
				Channels               []string
				Payload                json.RawMessage
			}
			if err := json.Unmarshal([]byte(body), &in); err != nil {
				return err
			}
			_, err := pool.Exec(context.WithoutCancel(ctx), "SELECT message_send($1, $2, $3, channels => $4, traceparent => $5, org_id => $6)",
				in.Application, in.EventType, string(in.Payload), in.Channels, headers["traceparent"], org)
			return err
		},
	}
}

// NewRabbitMQ starts a RabbitMQ server in a container, or uses the one that E2E_RABBITMQ_URL names.
func NewRabbitMQ(t *testing.T, _, _ string) Producer {
	t.Helper()
	url := rabbitMQ(t)
	conn := Must(amqp.Dial(url))(t)
	t.Cleanup(func() { _ = conn.Close() })
	channel := Must(conn.Channel())(t)
	queue := "e2e-" + Random()
	for _, name := range []string{queue, queue + "-dead"} {
		Must(channel.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}))(t)
		t.Cleanup(func() { _, _ = channel.QueueDelete(name, false, false, false) })
	}
	NoError(t, channel.Confirm(false))
	var publishing sync.Mutex // serializes use of the channel
	return Producer{
		Source: fmt.Sprintf("rabbitmq: {url: %q, queue: %s, dead_letter_routing_key: %[2]s-dead}", url, queue),
		Produce: func(ctx context.Context, _, id, body string, headers map[string]string) error {
			m := amqp.Publishing{MessageId: id, DeliveryMode: amqp.Persistent, Body: []byte(body), Headers: amqp.Table{}}
			for name, value := range headers {
				m.Headers[name] = value
			}
			publishing.Lock()
			confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, m)
			publishing.Unlock()
			if err != nil {
				return err
			}
			if acked, err := confirmation.WaitContext(ctx); err != nil || !acked {
				return fmt.Errorf("not confirmed: %w", err)
			}
			return nil
		},
	}
}

// rabbitMQ returns the URL of a server. If there is none, it skips the test, or fails it if containers are required.
func rabbitMQ(t *testing.T) string {
	t.Helper()
	if url := os.Getenv("E2E_RABBITMQ_URL"); url != "" {
		return url
	}
	container, err := rabbitmqtest.Run(t.Context())
	testcontainers.CleanupContainer(t, container, testcontainers.StopTimeout(0))
	if err != nil && DemandsDocker() {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("there is no RabbitMQ to test on: %v", err)
	}
	url := "amqp://guest:guest@" + Must(container.PortEndpoint(t.Context(), rabbitmqtest.Port, ""))(t) + "/"
	Await(t, func() string {
		conn, err := amqp.Dial(url)
		if err != nil {
			return err.Error()
		}
		_ = conn.Close()
		return ""
	})
	return url
}

// NewSQS starts a fake SQS server.
func NewSQS(t *testing.T, _, _ string) Producer {
	t.Helper()
	fake := sqsfake.New(time.Now)
	fake.Create("events-dead.fifo", "")
	fake.Create("events.fifo", "events-dead.fifo")
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return Producer{
		Source: fmt.Sprintf("sqs: {queue_url: %q, endpoint: %q, region: us-east-1, visibility: 30s}",
			server.URL+"/000000000000/events.fifo", server.URL),
		env: []string{
			"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_PROFILE=", // a profile set on this machine would have to exist in its configuration
		},
		Ordered: true,
		Produce: func(_ context.Context, group, id, body string, headers map[string]string) error {
			attributes := map[string]sqsfake.Value{}
			for name, value := range headers {
				attributes[name] = sqsfake.Value{DataType: "String", StringValue: value}
			}
			return fake.Send("events.fifo", sqsfake.Entry{
				MessageBody: body, MessageGroupId: group, MessageDeduplicationId: id, MessageAttributes: attributes,
			})
		},
	}
}

// Producer publishes to a broker or to the outbox.
type Producer struct {
	Source  string                                                                             // configuration of a source that reads from it
	env     []string                                                                           // additional environment variables of a consumer
	Produce func(ctx context.Context, group, id, body string, headers map[string]string) error // returns once the broker has the message; an id may be produced again
	Restart func(t *testing.T)                                                                 // nil: not ours to restart
	Ordered bool                                                                               // groups keep their order across several consumers
}
