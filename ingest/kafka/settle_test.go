package kafka

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

// inHand returns a consumer that has received n messages of one key, in one batch.
func inHand(t testing.TB, b *broker, n int) (*Source, []ingest.Message) {
	t.Helper()
	b.Produce(t, series("red", 0, n)...)
	s := b.source(t, b.dial)
	return s, whole(t, s, n)
}

// A message to retry is redelivered at once, with all messages after it.
func TestRetryGoesBack(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			s, batch := inHand(t, b, 10)
			defer closeSource(t, s)
			settlements := verdicts(ingest.Ack, batch)
			settlements[4].Verdict = ingest.Retry
			settlements[7].Verdict = ingest.DeadLetter
			settle(t, s, settlements...)
			wantCommitted(t, b, map[int32]int64{record(batch[0]).Partition: 4})
			if letters := b.letters(t); len(letters) > 0 {
				t.Errorf("%d messages were put aside that come again", len(letters))
			}
			for n := 4; n < 10; {
				again := receive(t, s)
				for _, m := range again {
					if string(m.Body) != fmt.Sprint(n) {
						t.Fatalf("message %s came, want %d", m.Body, n)
					}
					n++
				}
				settle(t, s, verdicts(ingest.Ack, again)...)
			}
			wantCommitted(t, b, map[int32]int64{record(batch[0]).Partition: 10})
		})
	}
}

func TestDeadLetter(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.publish(t, &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: []byte("body"), Headers: []kgo.RecordHeader{
		{Key: "own", Value: []byte("kept")}, {Key: ingest.ReasonHeader, Value: []byte("that of its first death")},
	}})
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	batch := receive(t, s)
	settle(t, s, ingest.Settlement{Message: batch[0], Verdict: ingest.DeadLetter, Reason: "it is no good"})
	letters := b.letters(t)
	if len(letters) != 1 || string(letters[0].Key) != "red" || string(letters[0].Value) != "body" {
		t.Fatalf("the dead letters are %v", letters)
	}
	if got := len(letters[0].Headers); got != 5 {
		t.Errorf("it has %d headers, want 5: %v", got, letters[0].Headers)
	}
	for key, want := range map[string]string{
		"own": "kept", ingest.ReasonHeader: "it is no good",
		topicHeader: b.topic(), partitionHeader: fmt.Sprint(record(batch[0]).Partition), offsetHeader: "0",
	} {
		if got := header(letters[0], key); got != want {
			t.Errorf("header %s is %q, want %q", key, got, want)
		}
	}
}

// Small dead letters are produced together, but never more than a topic accepts at once.
func TestTogether(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bytes []int
		want  int
	}{
		"small ones":               {[]int{1, 2, 3}, 3},
		"too much":                 {[]int{lettersBytes / 2, lettersBytes / 2, 1}, 2},
		"one that is large":        {[]int{2 * lettersBytes, 1}, 1},
		"a large one after others": {[]int{1, 1, 2 * lettersBytes}, 2},
	} {
		var letters []letter
		for _, bytes := range test.bytes {
			letters = append(letters, letter{of: &kgo.Record{Value: make([]byte, bytes)}})
		}
		if got := together(letters); got != test.want {
			t.Errorf("%s: %d are produced together, want %d", name, got, test.want)
		}
	}
}

func TestManyDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	for _, bytes := range []int{300_000, 300_000, 300_000, 300_000, 300_000, 900_000} {
		body := make([]byte, bytes)
		_, _ = rand.Read(body) // otherwise it would be small once compressed
		b.publish(t, &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: body})
	}
	b.Produce(t, series("red", 0, 300)...)
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	for found := 0; found < 306; {
		batch := receive(t, s)
		found += len(batch)
		settle(t, s, verdicts(ingest.DeadLetter, batch)...)
	}
	if letters := b.letters(t); len(letters) != 306 {
		t.Errorf("there are %d dead letters, want 306", len(letters))
	}
}

// Without a dead letter topic nothing is committed, and once there is one, no letter is stored twice.
func TestDeadLetterTopicIsAway(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	s, batch := inHand(t, b, 10)
	defer closeSource(t, s)
	if err := b.fake.DeleteTopic(b.config.DeadLetterTopic); err != nil {
		t.Fatal(err)
	}
	settlements := verdicts(ingest.Ack, batch)
	settlements[4].Verdict = ingest.DeadLetter
	if err := s.Settle(t.Context(), settlements); err == nil || !strings.Contains(err.Error(), "dead_letter_topic") {
		t.Errorf("the error is %v, want one about the dead_letter_topic", err)
	}
	wantCommitted(t, b, map[int32]int64{})
	if err := b.fake.CreateTopic(b.config.DeadLetterTopic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: b.config.Group, Err: kerr.UnknownServerError, Count: -1})
	await(t, func() string {
		if err := s.Settle(t.Context(), settlements); !strings.Contains(err.Error(), "commit") {
			return err.Error()
		}
		return ""
	})
	wantCommitted(t, b, map[int32]int64{})
	fault.Remove()
	settle(t, s, settlements...)
	wantCommitted(t, b, map[int32]int64{record(batch[0]).Partition: 10})
	if letters := b.letters(t); len(letters) != 1 || string(letters[0].Value) != "4" {
		t.Errorf("the dead letters are %v", letters)
	}
}

// The topic is recreated while the client knows the old one.
func TestDeadLetterTopicIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	s, batch := inHand(t, b, 3)
	defer closeSource(t, s)
	dead := verdicts(ingest.DeadLetter, batch)
	settle(t, s, dead[:1]...)
	if err := b.fake.DeleteTopic(b.config.DeadLetterTopic); err != nil {
		t.Fatal(err)
	}
	if err := b.fake.CreateTopic(b.config.DeadLetterTopic, partitions, nil); err != nil {
		t.Fatal(err)
	}
	await(t, func() string {
		if err := s.Settle(t.Context(), dead); err != nil {
			return err.Error()
		}
		return ""
	})
	if letters := b.letters(t); len(letters) != 2 {
		t.Errorf("there are %d dead letters in the new topic, want 2", len(letters))
	}
}

func TestRefusedCommit(t *testing.T) {
	t.Parallel()
	for refusal, isOthers := range map[*kerr.Error]bool{
		kerr.IllegalGeneration: true, kerr.UnknownMemberID: true, kerr.RebalanceInProgress: true,
		kerr.UnknownTopicOrPartition: true, kerr.OffsetMetadataTooLarge: false, kerr.GroupAuthorizationFailed: false,
	} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			s, batch := inHand(t, b, 3)
			defer closeSource(t, s)
			b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: b.config.Group, Err: refusal})
			if err := s.Settle(t.Context(), verdicts(ingest.Ack, batch)); (err == nil) != isOthers {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
