package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// clock is a clock that tests advance.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// logged returns a source, its log, and its clock.
func (b *broker) logged(t testing.TB) (*Source, *journal, *clock) {
	t.Helper()
	log, wall := &journal{}, &clock{now: time.Now()}
	s := b.source(t, b.dial)
	s.log = slog.New(slog.NewTextHandler(log, nil))
	s.stalls = newStalls(s.log, wall.time)
	s.stalls.most = time.Millisecond
	s.options = append(s.options, kgo.MaxDecompressBatchBytes(unpackedOfTests), kgo.FetchMaxWait(20*time.Millisecond))
	return s, log, wall
}

// tried returns how often a partition was tried in vain; it keeps growing for one that the client has given up.
func (s *stalls) tried(p partition) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch one := s.all[p]; {
	case one == nil:
		return 0
	case one.final:
		return math.MaxInt
	default:
		return one.times
	}
}

// An unreadable partition is logged once a minute, not with every batch of the others, and they do not wait for it.
func TestStalledPartitionIsSaidAgain(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles() {
		for others, batches := range map[string]int{"others are idle": 0, "others go on": 3} {
			if batches == 0 && name != "too large" && name != "not leader" {
				continue // one of each kind is enough
			}
			t.Run(name+", "+others, func(t *testing.T) {
				t.Parallel()
				b := newFake(t)
				b.client = b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
				trouble.cause(t, b)
				s, log, wall := b.logged(t)
				defer closeSource(t, s)
				for range 9 {
					for n := range batches {
						b.to(t, int32(n)+1, "others")
						settle(t, s, verdicts(ingest.Ack, receive(t, s))...)
					}
					before := s.stalls.tried(partition{b.topic(), 0})
					await(t, func() string { return s.triedAgain(t, b, before) })
					wall.pass(25 * time.Second)
				}
				said := 0
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, trouble.says) && strings.Contains(line, b.topic()) && strings.Contains(line, "partition=0") {
						said++
					}
				}
				if said < 3 || said > 4 {
					t.Errorf("%q was said %d times in 200 s:\n%s", trouble.says, said, log)
				}
			})
		}
	}
}

// An error arrives with each part of the good messages fetched with it. They are received, and it is logged once.
func TestMessagesBeforeStallAreReceived(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	const before = 5 * pollStep
	broken := crooked("crc")
	binary.BigEndian.PutUint64(broken, before) // its offset, which the checksum does not cover
	b.inject(t, append(goodBatch(before), broken...), 1)
	s, log, _ := b.logged(t)
	s.stalls.most = restFirst
	defer closeSource(t, s)
	for found := 0; found < before; {
		batch := receive(t, s)
		found += len(batch)
		settle(t, s, verdicts(ingest.Ack, batch)...)
	}
	at := partition{b.topic(), 0}
	tried := s.stalls.tried(at)
	await(t, func() string { return s.triedAgain(t, b, tried) })
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "crc") {
		t.Errorf("there are %d lines, want one:\n%s", n, log)
	}
}

// triedAgain receives for a moment, which must not fail, and returns an error text if partition 0 was not retried.
func (s *Source) triedAgain(t testing.TB, b *broker, before int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Receive(ctx); err != nil && ctx.Err() == nil {
		t.Errorf("others are held up: %v", err)
	}
	if tried := s.stalls.tried(partition{b.topic(), 0}); tried < math.MaxInt && tried <= before {
		return fmt.Sprintf("partition 0 was tried %d times", tried)
	}
	return ""
}

// If a batch is larger than the largest answer that the client reads, the client does not know its partition.
func TestBatchTooLargeToBeRead(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.config.Topics = []string{"large"}
	most := strconv.Itoa(8 << 20)
	if err := b.fake.CreateTopic("large", 1, map[string]string{"max.message.bytes": most}); err != nil {
		t.Fatal(err)
	}
	b.client = b.connect(t, kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	b.publish(t, &kgo.Record{Topic: "large", Value: make([]byte, fetchBytes+1)})
	s, log, _ := b.logged(t)
	s.options = append(s.options, kgo.FetchMaxBytes(fetchBytes), kgo.BrokerMaxReadBytes(fetchBytes))
	wantSaid(t, s.Check(t.Context()), "topics: a batch where the group is cannot be read", "invalid large response size")
	defer closeSource(t, s)
	await(t, func() string {
		ctx, cancel := context.WithTimeout(t.Context(), s.poll)
		defer cancel()
		if _, err := s.Receive(ctx); ctx.Err() == nil {
			t.Errorf("others are held up: %v", err)
		}
		if !strings.Contains(log.String(), "partition read failed") {
			return "the log does not say it: " + log.String()
		}
		return ""
	})
}

// happening is an event of partitions, and the expected number of log lines after it.
type happening struct {
	happens func(s *stalls, wall *clock, say func())
	lines   int
}

func happenings() map[string]happening {
	first, second := partition{"orders", 0}, partition{"orders", 1}
	broken, temporary := kerr.UnknownServerError, kerr.NotLeaderForPartition
	return map[string]happening{
		"at once": {func(s *stalls, _ *clock, say func()) { s.note(first, broken, false); say() }, 1},
		"not again": {func(s *stalls, _ *clock, say func()) {
			for range 10 {
				s.note(first, broken, false)
				say()
			}
		}, 1},
		"each": {func(s *stalls, _ *clock, say func()) {
			s.note(first, broken, false)
			s.note(second, broken, false)
			say()
		}, 2},
		"temporary": {func(s *stalls, wall *clock, say func()) {
			s.note(first, temporary, false)
			wall.pass(passAfter - time.Second)
			s.note(first, temporary, false)
			say()
		}, 0},
		"temporary, and lasts": {func(s *stalls, wall *clock, say func()) {
			s.note(first, temporary, false)
			wall.pass(passAfter)
			s.note(first, temporary, false)
			say()
		}, 1},
		"long ago": {func(s *stalls, wall *clock, say func()) {
			s.note(first, broken, false)
			wall.pass(overAfter + 1)
			say()
		}, 0},
		"given up": {func(s *stalls, wall *clock, say func()) { s.note(first, broken, true); wall.pass(time.Hour); say() }, 1},
		"over":     {func(s *stalls, _ *clock, say func()) { s.note(first, broken, true); s.over(first); say() }, 0},
		"over, and was said": {func(s *stalls, _ *clock, say func()) {
			s.note(first, broken, true)
			say()
			s.over(first)
			say()
		}, 2}, // including that it is over
		"another's": {func(s *stalls, _ *clock, say func()) {
			s.note(first, broken, true)
			s.gone(map[string][]int32{"orders": {0}})
			say()
		}, 0},
		"of a topic that is another one": {func(s *stalls, _ *clock, say func()) {
			s.note(first, broken, true)
			s.remade([]string{"orders"})
			say()
		}, 0},
		"very many": {func(s *stalls, wall *clock, say func()) {
			for range 3 { // minutes
				for n := range int32(1000) {
					s.note(partition{"orders", n}, broken, true)
					say()
				}
				wall.pass(sayEvery)
			}
		}, 3 * sayMost},
	}
}

func TestStallsAreSaid(t *testing.T) {
	t.Parallel()
	for name, test := range happenings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, wall := &journal{}, &clock{now: time.Now()}
			s := newStalls(slog.New(slog.NewTextHandler(log, nil)), wall.time)
			test.happens(s, wall, func() { s.say("postrider", func(partition) int64 { return 42 }) })
			if got := strings.Count(log.String(), "\n"); got != test.lines {
				t.Errorf("there are %d lines, want %d:\n%s", got, test.lines, log)
			}
		})
	}
}

// A topic's id may be unknown for a moment. If it stays unknown, the topic was deleted, which others handle.
func TestStrangersAreLeftToOthers(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	s := newStalls(slog.New(slog.DiscardHandler), time.Now)
	for n := range strangerMost {
		if !s.take(b.client, partition{"orders", 0}, kerr.UnknownTopicID, 0) {
			t.Errorf("it is given up after %d times", n+1)
		}
	}
	if s.take(b.client, partition{"orders", 0}, kerr.UnknownTopicID, 0) || s.tried(partition{"orders", 0}) != 0 {
		t.Error("it is still waited for")
	}
	for _, err := range []error{&kgo.ErrDataLoss{}, context.Canceled, kgo.ErrClientClosed} {
		if s.take(b.client, partition{"orders", 0}, err, 0) {
			t.Errorf("it keeps %v", err)
		}
	}
}
