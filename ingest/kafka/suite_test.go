package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// Brokers up to Kafka 4.0 identify the topic of a commit by name; later ones by id.
func TestSuite(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]kfake.Opt{
		"Newest":   nil,
		"Kafka4.0": {kfake.MaxVersions(kversion.V4_0_0())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Suite{Broker: func(t testing.TB) sourcetest.Broker {
				t.Helper()
				return suiteBroker{newBroker(t, options...)}
			}}.Run(t)
		})
	}
}

// suiteBroker is a broker whose consumers quickly notice new partitions.
type suiteBroker struct{ *broker }

func (b suiteBroker) Source(t testing.TB) ingest.Source {
	t.Helper()
	s := b.source(t, b.dial)
	s.options = append(s.options, kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(time.Second))
	return s
}

func (b suiteBroker) Remake(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.deleteTopic(t, b.topic())
	b.createTopic(t, b.topic())
	b.Produce(t, messages...)
}

func (b suiteBroker) deleteTopic(t testing.TB, topic string) {
	t.Helper()
	if _, err := kadm.NewClient(b.client).DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	b.client.PurgeTopicsFromClient(topic)
}

// createTopic waits until real brokers have forgotten an old topic of that name.
func (b suiteBroker) createTopic(t testing.TB, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := kadm.NewClient(b.client).CreateTopic(ctx, partitions, -1, nil, topic)
		if err == nil {
			return
		}
		if !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
	}
}

func (b suiteBroker) Widen(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	if _, err := kadm.NewClient(b.client).CreatePartitions(t.Context(), 1, b.topic()); err != nil {
		t.Fatal(err)
	}
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Topic: b.topic(), Partition: partitions, Value: []byte(m.Body)}
	}
	client := b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (b suiteBroker) CloseDeadLetters(t testing.TB) (reopen func()) {
	t.Helper()
	b.deleteTopic(t, b.config.DeadLetterTopic)
	return func() { b.createTopic(t, b.config.DeadLetterTopic) }
}

// largest is the maximum size of an odd message, headers included.
const largest = 4 << 20

// Odd messages are all in the good messages' partition.
func (b suiteBroker) Odd(t testing.TB) []sourcetest.Odd {
	t.Helper()
	client := b.connect(t, kgo.ProducerBatchMaxBytes(largest))
	limit := kadm.AlterConfig{Name: "max.message.bytes", Value: new(strconv.Itoa(2 * largest))}
	_, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{limit}, b.topic(), b.config.DeadLetterTopic)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(t testing.TB, r *kgo.Record) {
		t.Helper()
		r.Topic, r.Key = b.topic(), []byte("red")
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	all := sourcetest.OddBodies(func(string) bool { return true }, func(t testing.TB, body string) {
		t.Helper()
		publish(t, &kgo.Record{Value: []byte(body)})
	})
	headers := func(all ...kgo.RecordHeader) *kgo.Record { return &kgo.Record{Headers: all} }
	for name, r := range map[string]*kgo.Record{
		"a header without a value":  headers(kgo.RecordHeader{Key: "traceparent"}),
		"a header without a name":   headers(kgo.RecordHeader{Value: []byte("x")}),
		"a header twice":            headers(kgo.RecordHeader{Key: "traceparent", Value: []byte("1")}, kgo.RecordHeader{Key: "traceparent", Value: []byte("2")}),
		"headers of invalid UTF-8":  headers(kgo.RecordHeader{Key: "\xff", Value: []byte("\xfe\x00")}, kgo.RecordHeader{Key: "traceparent", Value: []byte{0xff}}),
		"a header that is a reason": headers(kgo.RecordHeader{Key: ingest.ReasonHeader, Value: []byte{0}}),
		"a header of 700 kB":        headers(kgo.RecordHeader{Key: "large", Value: make([]byte, 700_000)}),
		"10,000 headers":            headers(make([]kgo.RecordHeader, 10_000)...),
		"a time long before":        {Timestamp: time.UnixMilli(-1 << 40)},
		"a time of 1970":            {Timestamp: time.UnixMilli(0)},
		"the latest time":           {Timestamp: time.UnixMilli(1<<53 - 1)},
	} {
		all = append(all, sourcetest.Odd{Name: name, Send: func(t testing.TB) {
			t.Helper()
			r.Value = []byte(sourcetest.OddBody(name))
			publish(t, r)
		}})
	}
	refused := headers(kgo.RecordHeader{Key: "large", Value: []byte(strings.Repeat("x", 900_000))})
	return append(all,
		sourcetest.Odd{Name: "refused with large headers", Send: func(t testing.TB) { t.Helper(); publish(t, refused) }},
		sourcetest.Odd{Name: "null instead of a value", Send: func(t testing.TB) { t.Helper(); publish(t, &kgo.Record{}) }},
		sourcetest.Odd{Name: "no key", Send: func(t testing.TB) {
			t.Helper()
			b.publish(t, &kgo.Record{Topic: b.topic(), Value: []byte(sourcetest.OddBody("no key"))})
		}},
		sourcetest.Odd{Name: "an aborted transaction", Hidden: true, Send: b.transaction(kgo.TryAbort)},
		sourcetest.Odd{Name: "a committed transaction", Send: b.transaction(kgo.TryCommit)},
	)
}

// transaction publishes a message in a transaction, followed by control records.
func (b suiteBroker) transaction(end kgo.TransactionEndTry) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		client := b.connect(t, kgo.TransactionalID(b.topic()))
		defer client.Close()
		name := map[kgo.TransactionEndTry]string{kgo.TryAbort: "an aborted transaction", kgo.TryCommit: "a committed transaction"}[end]
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: []byte(sourcetest.OddBody(name))}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
}
