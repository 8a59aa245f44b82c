package kafka

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

// noise returns incompressible bytes.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// limit sets the largest batch that the dead letter topic accepts.
func (b *broker) limit(t testing.TB, bytes string) {
	t.Helper()
	setting := kadm.AlterConfig{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &bytes}
	answer, err := kadm.NewClient(b.client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{setting}, b.config.DeadLetterTopic)
	if err != nil || answer[0].Err != nil {
		t.Fatal(err, answer)
	}
}

// heard returns a consumer and its log.
func (b *broker) heard(t testing.TB) (*Source, *journal) {
	t.Helper()
	s, log := b.source(t, b.dial), &journal{}
	s.log = slog.New(slog.NewTextHandler(log, nil))
	return s, log
}

func TestDeadLetterLargerThanItsTopicTakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		record  kgo.Record
		left    string // what the log says was left out
		headers []string
		body    int
	}{
		"with its headers": {
			kgo.Record{Value: noise(5_000), Headers: []kgo.RecordHeader{{Key: "own", Value: noise(5_000)}}},
			"headers", []string{ingest.LeftOutHeader, offsetHeader, partitionHeader, ingest.ReasonHeader, topicHeader}, 5_000,
		},
		"with our headers": {kgo.Record{Value: noise(9_880)}, "reason", nil, 9_880},
		"by its body": {
			kgo.Record{Value: noise(15_000)}, "7500 of 15000 bytes of the body",
			[]string{ingest.CutHeader, offsetHeader, partitionHeader, ingest.ReasonHeader, topicHeader}, 7_500,
		},
		"by its key": {
			kgo.Record{Key: noise(15_000)}, "7500 of 15000 bytes of the body",
			[]string{ingest.CutHeader, offsetHeader, partitionHeader, ingest.ReasonHeader, topicHeader}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			b.limit(t, "10000")
			test.record.Topic = b.topic()
			b.publish(t, &test.record)
			b.Produce(t, series("red", 0, 20)...)
			s, log := b.heard(t)
			defer closeSource(t, s)
			for found := 0; found < 21; {
				batch := receive(t, s)
				found += len(batch)
				settle(t, s, verdicts(ingest.DeadLetter, batch)...)
			}
			letters := b.letters(t)
			if len(letters) != 21 {
				t.Fatalf("there are %d dead letters, want 21", len(letters))
			}
			wantLarge(t, letters, test.body, test.headers)
			text := strings.ReplaceAll(log.String(), `"`, "")
			for _, part := range []string{"left_out=" + test.left, b.topic() + "/", "it is no good"} {
				if strings.Count(text, "\n") != 1 || !strings.Contains(text, part) {
					t.Errorf("the log does not say once %q: %s", part, text)
				}
			}
		})
	}
}

// wantLarge looks for the letter with a long body.
func wantLarge(t testing.TB, letters []*kgo.Record, body int, headers []string) {
	t.Helper()
	for _, l := range letters {
		if string(l.Key) == "red" {
			continue
		}
		var names []string
		for _, h := range l.Headers {
			names = append(names, h.Key)
		}
		if len(l.Value) != body || fmt.Sprint(names) != fmt.Sprint(headers) {
			t.Errorf("the letter has %d bytes and the headers %v, want %d and %v", len(l.Value), names, body, headers)
		}
		return
	}
	t.Error("the letter is missing")
}

// A broker measures the compressed size: a message may be many times as large as its topic's limit.
func TestDeadLetterIsCompressed(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	producer := b.connect(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(64<<20))
	body := make([]byte, 30<<20)
	if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: b.topic(), Value: body}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s, log := b.heard(t)
	defer closeSource(t, s)
	settle(t, s, verdicts(ingest.DeadLetter, receive(t, s))...)
	if letters := b.letters(t); len(letters) != 1 || !bytes.Equal(letters[0].Value, body) || log.String() != "" {
		t.Errorf("there are %d dead letters; the log says %s", len(letters), log)
	}
}

// keyless reports whether a request produces a record without a key to a topic, which a compacted topic refuses.
func keyless(request kmsg.Request) bool {
	produce, is := request.(*kmsg.ProduceRequest)
	if !is {
		return false
	}
	for _, topic := range produce.Topics {
		for _, p := range topic.Partitions {
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(p.Records); err != nil {
				panic(err)
			}
			raw, err := kgo.DefaultDecompressor().Decompress(batch.Records, kgo.CompressionCodecType(batch.Attributes&7))
			if err != nil {
				panic(err)
			}
			for range batch.NumRecords {
				length, n := binary.Varint(raw)
				var record kmsg.Record
				if err := record.ReadFrom(raw[:n+int(length)]); err != nil {
					panic(err)
				}
				if record.Key == nil {
					return true
				}
				raw = raw[n+int(length):]
			}
		}
	}
	return false
}

func TestDeadLetterWithoutAKeyGetsOneInACompactedTopic(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.fake.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: b.config.DeadLetterTopic, Err: kerr.InvalidRecord, Count: -1, When: keyless,
	})
	b.publish(t, &kgo.Record{Topic: b.topic(), Value: []byte("no key")}, &kgo.Record{Topic: b.topic(), Key: []byte{}, Value: []byte("an empty key")})
	b.Produce(t, series("red", 0, 10)...)
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	for found := 0; found < 12; {
		batch := receive(t, s)
		found += len(batch)
		settle(t, s, verdicts(ingest.DeadLetter, batch)...)
	}
	letters := b.letters(t)
	if len(letters) != 12 {
		t.Fatalf("there are %d dead letters, want 12", len(letters))
	}
	for _, l := range letters {
		key := fmt.Sprintf("%s/%s/%s", header(l, topicHeader), header(l, partitionHeader), header(l, offsetHeader))
		switch string(l.Value) {
		case "no key":
			if string(l.Key) != key {
				t.Errorf("it has the key %q, want %q", l.Key, key)
			}
		case "an empty key":
			if l.Key == nil || len(l.Key) > 0 {
				t.Errorf("the key was empty, and is %q", l.Key)
			}
		}
	}
}

// An error of the topic is retried, and nothing is left out of the letter.
func TestDeadLetterIsWholeOnceItsTopicWorks(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.InvalidTimestamp, kerr.InvalidRecord, kerr.InvalidRequiredAcks, kerr.PolicyViolation,
		kerr.UnsupportedCompressionType,
	} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			s, batch := inHand(t, b, 3)
			defer closeSource(t, s)
			fault := b.fake.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Topic: b.config.DeadLetterTopic, Err: refusal, Count: -1,
			})
			dead := verdicts(ingest.DeadLetter, batch)
			for range 2 {
				if err := s.Settle(t.Context(), dead); err == nil || !strings.Contains(err.Error(), "dead_letter_topic") {
					t.Errorf("the error is %v, want one about the dead_letter_topic", err)
				}
			}
			fault.Remove()
			settle(t, s, dead...)
			letters := b.letters(t)
			if len(letters) != 3 || len(letters[0].Headers) != 4 || string(letters[0].Value) == "" {
				t.Errorf("the dead letters are %v", letters)
			}
		})
	}
}
