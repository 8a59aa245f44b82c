package sqs

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

// endpointVariable names a server to test instead of the fake: LocalStack or ElasticMQ.
const endpointVariable = "E2E_SQS_ENDPOINT"

// holdsFor is the visibility timeout in tests. The machine must not pause for longer.
const holdsFor = 3 * time.Second

func TestMain(m *testing.M) {
	// The SDK's credentials come from the environment alone.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SQS": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// broker is a queue and its dead letter queue, on a fake or a real server. Consumers connect through a listener that
// can be broken.
type broker struct {
	fake     *sqsfake.Fake // nil: a real server
	client   *awssqs.Client
	listener *sourcetest.Listener
	queueURL string
	deadURL  string
	fifo     bool

	made atomic.Int32 // connections of consumers of a fake
	open atomic.Int32 // those of them that are open

	mu      sync.Mutex
	letters []types.Message
}

func newBroker(t testing.TB, fifo bool) *broker {
	t.Helper()
	behind := os.Getenv(endpointVariable)
	if behind == "" {
		return fakeBroker(t, fifo)
	}
	target, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{fifo: fifo, listener: sourcetest.Listen(t), client: client(t, behind)}
	transport, proxy := &http.Transport{}, httputil.NewSingleHostReverseProxy(target)
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport, proxy.ErrorLog = transport, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	serve(t, b.listener, &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute})
	b.create(t)
	return b
}

func fifoBroker(t testing.TB) sourcetest.Broker {
	t.Helper()
	return newBroker(t, true)
}

func standardBroker(t testing.TB) sourcetest.Broker {
	t.Helper()
	return newBroker(t, false)
}

func fakeBroker(t testing.TB, fifo bool) *broker {
	t.Helper()
	b := &broker{fifo: fifo, listener: sourcetest.Listen(t), fake: sqsfake.New(time.Now)}
	b.queueURL, b.deadURL = "http://sqs/000000000000/orders", "http://sqs/000000000000/orders-dead"
	if fifo {
		b.queueURL, b.deadURL = b.queueURL+".fifo", b.deadURL+".fifo"
	}
	b.fake.Create(b.deadName(), "")
	b.fake.Create(b.name(), b.deadName())
	serve(t, b.listener, &http.Server{
		Handler: b.fake, ReadHeaderTimeout: time.Minute,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				b.made.Add(1)
				b.open.Add(1)
			case http.StateClosed:
				b.open.Add(-1)
			default: // it is open, whatever it does
			}
		},
	})
	b.client = client(t, serve(t, sourcetest.Listen(t), &http.Server{Handler: b.fake, ReadHeaderTimeout: time.Minute}))
	return b
}

func (b *broker) name() string     { return path.Base(b.queueURL) }
func (b *broker) deadName() string { return path.Base(b.deadURL) }

// serve serves until the test ends.
func serve(t testing.TB, listener *sourcetest.Listener, server *http.Server) (url string) {
	t.Helper()
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		done.Wait()
	})
	return "http://" + listener.Addr().String()
}

// client returns the SDK's own client, for calls that the adapter does not make.
func client(t testing.TB, endpoint string) *awssqs.Client {
	t.Helper()
	cloud, err := environment("us-east-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return awssqs.NewFromConfig(cloud, func(o *awssqs.Options) {
		o.BaseEndpoint, o.HTTPClient = &endpoint, &http.Client{Transport: transport}
	})
}

// create creates the queues on a real server.
func (b *broker) create(t testing.TB) {
	t.Helper()
	name := "postrider-" + rand.Text()
	attributes := map[string]string{}
	suffix := ""
	if b.fifo {
		attributes["FifoQueue"], suffix = "true", ".fifo"
	}
	make := func(name string) string {
		out, err := b.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, err := b.client.DeleteQueue(context.WithoutCancel(t.Context()), &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
			if err != nil {
				t.Error(err)
			}
		})
		return *out.QueueUrl
	}
	b.deadURL = make(name + "-dead" + suffix)
	out, err := b.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: &b.deadURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"` + out.Attributes["QueueArn"] + `","maxReceiveCount":1000}`
	b.queueURL = make(name + suffix)
}

// consumer returns a source with a short visibility timeout.
func (b *broker) consumer(t testing.TB, log *slog.Logger) *Source {
	t.Helper()
	s, err := New(Config{QueueURL: b.queueURL, Region: "us-east-1", Endpoint: "http://" + b.listener.Addr().String()}, log)
	if err != nil {
		t.Fatal(err)
	}
	s.visibility = holdsFor
	return s
}

func (b *broker) Source(t testing.TB) ingest.Source {
	t.Helper()
	return b.consumer(t, slog.New(slog.DiscardHandler))
}

func (b *broker) Produce(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	for ten := range slices.Chunk(messages, 10) {
		in := &awssqs.SendMessageBatchInput{QueueUrl: &b.queueURL}
		for i, m := range ten {
			one := types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: &m.Body, MessageAttributes: map[string]types.MessageAttributeValue{},
			}
			for name, value := range m.Headers {
				one.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
			}
			if b.fifo {
				one.MessageGroupId, one.MessageDeduplicationId = &m.Group, aws.String(rand.Text())
			}
			in.Entries = append(in.Entries, one)
		}
		out, err := b.client.SendMessageBatch(t.Context(), in)
		if err != nil || len(out.Failed) > 0 {
			t.Fatalf("produce: %v, %+v", err, out)
		}
	}
}

func (b *broker) DeadLetters(t testing.TB) (all []sourcetest.DeadLetter) {
	t.Helper()
	for _, m := range b.deadMessages(t) {
		all = append(all, sourcetest.DeadLetter{
			Body: *m.Body, Reason: aws.ToString(m.MessageAttributes[ingest.ReasonHeader].StringValue),
		})
	}
	return all
}

// deadMessages returns the dead letters so far. It removes them from their queue and keeps them here.
func (b *broker) deadMessages(t testing.TB) []types.Message {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		out, err := b.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: &b.deadURL, WaitTimeSeconds: 1, VisibilityTimeout: 60, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return slices.Clone(b.letters)
		}
		for _, m := range out.Messages {
			_, err := b.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &b.deadURL, ReceiptHandle: m.ReceiptHandle})
			if err != nil {
				t.Fatal(err)
			}
			b.letters = append(b.letters, m)
		}
	}
}

func (b *broker) Break(testing.TB) { b.listener.Break() }
func (b *broker) Mend(testing.TB)  { b.listener.Mend() }

func TestFIFO(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{Broker: fifoBroker, HoldsFor: holdsFor}.Run(t)
}

func TestStandard(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{Broker: standardBroker, HoldsFor: holdsFor, Unordered: true}.Run(t)
}
