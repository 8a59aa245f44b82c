package kafka

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// remake deletes a topic and recreates it with n partitions.
func (b *broker) remake(t testing.TB, topic string, n int32) {
	t.Helper()
	if err := b.fake.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := b.fake.CreateTopic(topic, n, nil); err != nil {
		t.Fatal(err)
	}
	b.client.PurgeTopicsFromProducing(topic)
}

// wantInOrder receives and acknowledges messages until all messages of a key have arrived, from first to last. Any
// other message, or one out of order, is an error.
func wantInOrder(t testing.TB, s *Source, want ...sourcetest.Produced) {
	t.Helper()
	for i := 0; i < len(want); {
		batch := receive(t, s)
		for _, m := range batch {
			if i < len(want) && string(m.Body) != want[i].Body {
				t.Fatalf("message %s came at %s, want %s", m.Body, m.Position, want[i].Body)
			}
			i++
		}
		settle(t, s, verdicts(ingest.Ack, batch)...)
	}
}

// settleAcross settles, and calls meanwhile while the commit is on its way to the brokers: after the client's last
// check, and before the brokers accept it.
func (b *broker) settleAcross(t testing.TB, s *Source, settlements []ingest.Settlement, meanwhile func()) {
	t.Helper()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	b.fake.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.DropControl()
		close(arrived)
		b.fake.SleepControl(func() { <-goOn })
		return nil, nil, false
	})
	settled := make(chan error, 1)
	go func() { settled <- s.Settle(t.Context(), settlements) }()
	<-arrived
	meanwhile()
	close(goOn)
	if err := <-settled; err != nil {
		t.Fatal(err)
	}
}

// commit commits offsets of the topic for the group, which must have no members.
func (b *broker) commit(t testing.TB, metadata string, at map[int32]int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	for number, offset := range at {
		offsets.Add(kadm.Offset{Topic: b.topic(), Partition: number, At: offset, LeaderEpoch: -1, Metadata: metadata})
	}
	if err := kadm.NewClient(b.client).CommitAllOffsets(t.Context(), b.config.Group, offsets); err != nil {
		t.Fatal(err)
	}
}

// inHand returns a consumer that has received n messages of one key, in one batch. Its group has committed an offset
// in each partition, so it continues there whatever its start is.
func (b *broker) inHand(t testing.TB, n int) (*Source, []ingest.Message) {
	t.Helper()
	b.commit(t, "", map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0})
	return inHand(t, b, n)
}

// A topic is recreated while a batch of it is in hand. Settling that batch concerns the old topic: it must not hide
// messages within the new one or past its end.
func TestTopicMadeAgainWithABatchInHand(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		for start, n := range map[string]int{earliest: 3, latest: 15} {
			t.Run(fmt.Sprintf("%s, %s, %d messages", name, start, n), func(t *testing.T) {
				t.Parallel()
				b := newFake(t, generation)
				b.config.Start = start
				s, batch := b.inHand(t, 10)
				defer closeSource(t, s)
				b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() { b.remake(t, b.topic(), partitions) })
				b.Produce(t, series("red", 100, 100+n)...)
				wantInOrder(t, s, series("red", 100, 100+n)...)
				want := map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0} // the next member sees that the group knows it
				want[record(batch[0]).Partition] = int64(n)
				wantCommitted(t, b, want)
			})
		}
	}
}

// The same, but the process ends before it notices. Its successor sees only the committed offsets.
func TestTopicMadeAgainBeforeAProcessEnds(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		for _, start := range []string{earliest, latest} {
			if name == "newest" && start == latest {
				continue // nothing is committed in the new topic, which is then new to the group
			}
			t.Run(name+", "+start, func(t *testing.T) {
				t.Parallel()
				b := newFake(t, generation)
				b.config.Start = start
				s, batch := b.inHand(t, 10)
				b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() { b.remake(t, b.topic(), partitions) })
				closeSource(t, s)
				b.Produce(t, interleaved(0, 15)...)
				next, sink := b.source(t, b.dial), newStore(t)
				run(t, next, sink)
				sink.complete(15)
			})
		}
	}
}

// The topic is recreated twice, with fewer and with more partitions, each time with a batch in hand.
func TestTopicMadeAgainTwice(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			s, batch := b.inHand(t, 10)
			defer closeSource(t, s)
			b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() {
				b.remake(t, b.topic(), partitions)
				b.Produce(t, series("red", 100, 105)...)
				b.remake(t, b.topic(), 1)
			})
			b.Produce(t, series("red", 200, 205)...)
			wantInOrder(t, s, series("red", 200, 205)...)
			b.Produce(t, series("red", 205, 208)...)
			batch = whole(t, s, 3)
			b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() { b.remake(t, b.topic(), 2*partitions) })
			b.Produce(t, series("red", 300, 305)...)
			wantInOrder(t, s, series("red", 300, 305)...)
		})
	}
}

// One of two topics is recreated while messages of both are in hand; the other continues where it was.
func TestTopicMadeAgainBesideAnother(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			other := b.topic() + "-other"
			b.config.Topics = append(b.config.Topics, other)
			if err := b.fake.CreateTopic(other, 1, nil); err != nil {
				t.Fatal(err)
			}
			b.publish(t, &kgo.Record{Topic: other, Value: []byte("first")}, &kgo.Record{Topic: other, Value: []byte("second")})
			b.Produce(t, series("red", 0, 10)...)
			s := b.source(t, b.dial)
			defer closeSource(t, s)
			batch := whole(t, s, 12)
			b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() { b.remake(t, b.topic(), partitions) })
			b.publish(t, &kgo.Record{Topic: other, Value: []byte("third")})
			b.Produce(t, series("red", 0, 3)...)
			got := map[string][]string{}
			for n := 0; n < 4; {
				batch := receive(t, s)
				for _, m := range batch {
					got[m.Topic] = append(got[m.Topic], string(m.Body))
					n++
				}
				settle(t, s, verdicts(ingest.Ack, batch)...)
			}
			want := map[string][]string{b.topic(): {"0", "1", "2"}, other: {"third"}}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("received were %v, want %v", got, want)
			}
		})
	}
}

// The topic is deleted, reported missing, and recreated later, while the other topic's messages arrive.
func TestTopicDeletedForAWhile(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			b.config.Start = latest
			s, batch := b.inHand(t, 10)
			defer closeSource(t, s)
			if err := b.fake.DeleteTopic(b.topic()); err != nil {
				t.Fatal(err)
			}
			settle(t, s, verdicts(ingest.Ack, batch)...)
			await(t, func() string {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if _, err := s.Receive(ctx); err == nil || !strings.Contains(err.Error(), "does not exist") {
					return fmt.Sprintf("the error is %v, want one that says what is missing", err)
				}
				return ""
			})
			if err := b.fake.CreateTopic(b.topic(), partitions, nil); err != nil {
				t.Fatal(err)
			}
			b.client.PurgeTopicsFromProducing(b.topic())
			b.Produce(t, series("red", 100, 115)...)
			wantInOrder(t, s, series("red", 100, 115)...)
		})
	}
}

// The group's leader may assign partitions for a while that the new topic does not have.
func TestTopicMadeAgainWithPartitionsMissing(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	s, _ := b.inHand(t, 3)
	defer closeSource(t, s)
	at := map[int32]kgo.Offset{1: kgo.NewOffset(), partitions: kgo.NewOffset()}
	if err := s.beginTopic(t.Context(), topic{name: b.topic(), partitions: partitions, note: b.note(t), remade: true}, at); err != nil {
		t.Errorf("the partitions that exist cannot be begun: %v", err)
	}
	for number, offset := range at {
		if got := offset.EpochOffset().Offset; got != 0 {
			t.Errorf("partition %d begins at %d, want 0", number, got)
		}
	}
}

// A member without partitions takes over, and nothing is committed in the new topic. The topic is not new to the
// group, whose start is latest. If the member asks for offsets of the old topic for too long, its client gives up.
func TestTopicMadeAgainForAMemberWithoutPartitions(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		for _, refusals := range []int{0, 5} { // one more than the client asks
			t.Run(fmt.Sprintf("%s, %d refusals", name, refusals), func(t *testing.T) {
				t.Parallel()
				b := newFake(t, generation)
				b.config.Start = latest
				b.remake(t, b.topic(), 1)
				first, second := b.source(t, b.dial), b.source(t, b.dial)
				stopFirst := run(t, first, away{}) // otherwise it might receive the new topic's messages itself
				b.group(t, func(g *kfake.GroupInfo) bool { return g.State == "Stable" && len(g.Commits[b.topic()]) > 0 })
				received := make(chan []ingest.Message, 1)
				go func() {
					defer close(received) // where nothing is received, too
					received <- receive(t, second)
				}()
				await(t, func() string {
					if second.places.topic(b.topic()).id == (topicID{}) {
						return "the second member has not heard of the topic"
					}
					return ""
				})
				b.remake(t, b.topic(), 1)
				b.Produce(t, series("red", 0, 3)...)
				if refusals > 0 {
					b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: b.topic(), Err: kerr.UnknownTopicID, Count: refusals})
				}
				stopFirst()
				if batch := <-received; len(batch) > 0 && string(batch[0].Body) != "0" {
					t.Errorf("the first message is %s", batch[0].Body)
				}
				closeSource(t, second)
			})
		}
	}
}

// A broker that has not learned about the new topic reports the old one, whose offset is then trusted.
func TestTopicMadeAgainThatABrokerHasNotHeardOf(t *testing.T) {
	t.Parallel()
	b := newFake(t, generations["4.0"])
	old, err := describe(t.Context(), b.client, b.config.Topics)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(t, "", map[int32]int64{0: 0})
	b.remake(t, b.topic(), partitions)
	b.commit(t, noteOf(old, old.Topics[0]).String(), map[int32]int64{0: 3, 1: 3, 2: 3, 3: 3, 4: 3, 5: 3})
	b.Produce(t, series("red", 0, 10)...)
	var late atomic.Bool // from when the client has asked for offsets, until it asks for messages
	set := func(to bool) func(kmsg.Request) (kmsg.Response, error, bool) {
		return func(kmsg.Request) (kmsg.Response, error, bool) {
			b.fake.DropControl()
			late.Store(to)
			return nil, nil, false
		}
	}
	b.fake.ControlKey(int16(kmsg.OffsetFetch), set(true))
	b.fake.ControlKey(int16(kmsg.Fetch), set(false))
	b.fake.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		answer := *old
		answer.Version = r.GetVersion()
		return &answer, nil, late.Load()
	})
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	wantInOrder(t, s, series("red", 0, 10)...)
}

// Brokers before 3.1 serve a topic by its name, so the client continues in the new topic. It learns about that within
// a minute, and then refuses to commit.
func TestTopicMadeAgainOnOldBrokers(t *testing.T) {
	t.Parallel()
	b := newFake(t, kfake.MaxVersions(kversion.V3_0_0()))
	s, batch := b.inHand(t, 10)
	defer closeSource(t, s)
	b.remake(t, b.topic(), partitions)
	b.Produce(t, series("red", 100, 115)...)
	await(t, func() string {
		s.member.client.ForceMetadataRefresh()
		settle(t, s, verdicts(ingest.Ack, batch)...)
		if len(s.remade) == 0 {
			return "the client takes the new topic for the old one"
		}
		return ""
	})
	wantInOrder(t, s, series("red", 100, 115)...)
}

// Until it does, the next member to begin sees that the offset is not of this topic.
func TestTopicMadeAgainOnOldBrokersBeforeAProcessEnds(t *testing.T) {
	t.Parallel()
	b, sink := newFake(t, kfake.MaxVersions(kversion.V3_0_0())), newStore(t)
	s, batch := b.inHand(t, 10)
	b.settleAcross(t, s, verdicts(ingest.Ack, batch), func() { b.remake(t, b.topic(), partitions) })
	b.Produce(t, interleaved(0, 15)...)
	settle(t, s, verdicts(ingest.Ack, receive(t, s))...)
	closeSource(t, s)
	run(t, b.source(t, b.dial), sink)
	sink.complete(15)
}

// Brokers before 2.8 have no topic ids: everything else works.
func TestBrokersWithoutTopicIDs(t *testing.T) {
	t.Parallel()
	b := newFake(t, kfake.MaxVersions(kversion.V2_7_0()))
	s, batch := b.inHand(t, 3)
	settle(t, s, verdicts(ingest.Ack, batch)...)
	closeSource(t, s)
	b.Produce(t, series("red", 3, 5)...)
	s = b.source(t, b.dial)
	wantInOrder(t, s, series("red", 3, 5)...)
	closeSource(t, s)
}
