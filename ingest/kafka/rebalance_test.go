package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

func record(m ingest.Message) *kgo.Record { return m.Handle.(*kgo.Record) }

// whole receives until it gets n messages in a single batch.
func whole(t testing.TB, s *Source, n int) []ingest.Message {
	t.Helper()
	for {
		batch := receive(t, s)
		if len(batch) == n {
			return batch
		}
		// They are not all fetched yet. The messages given back are redelivered.
		settle(t, s, verdicts(ingest.Retry, batch)...)
	}
}

// While we hold a batch, a new member gets nothing until it is settled, and no message is received twice.
func TestRebalanceWaitsForTheBatch(t *testing.T) {
	t.Parallel()
	b, sink := newFake(t), newStore(t)
	b.Produce(t, interleaved(0, 10)...)
	first, second := b.source(t, b.dial), b.source(t, b.dial)
	batch := receive(t, first)
	stopSecond := run(t, second, sink)
	b.group(t, func(g *kfake.GroupInfo) bool { return len(g.Members) == 2 && g.State == "PreparingRebalance" })
	<-time.After(500 * time.Millisecond) // five heartbeats, each of which asks us to rejoin
	if state := b.fake.GroupInfo(b.config.Group).State; state != "PreparingRebalance" {
		t.Errorf("with a batch in hand, the group went on to %s", state)
	}
	sink.keep(batch)
	settle(t, first, verdicts(ingest.Ack, batch)...)
	wantCommitted(t, b, ends(batch))
	run(t, first, sink)
	b.group(t, func(g *kfake.GroupInfo) bool {
		return g.State == "Stable" && len(g.Members) == 2 &&
			len(g.Members[0].Assignment[b.topic()]) == partitions/2 && len(g.Members[1].Assignment[b.topic()]) == partitions/2
	})
	b.Produce(t, interleaved(10, 20)...)
	sink.complete(20)
	stopSecond()
	b.Produce(t, interleaved(20, 30)...)
	sink.complete(30)
	if _, again := sink.count(); again > 0 {
		t.Errorf("%d messages came again", again)
	}
}

// Consumers come and go at any time, one of them without leaving the group.
func TestConsumersComeAndGo(t *testing.T) {
	t.Parallel()
	b, sink := newFake(t), newStore(t)
	from := 0
	produce := func() {
		t.Helper()
		b.Produce(t, interleaved(from, from+50)...)
		from += 50
	}
	members := func(n int) {
		t.Helper()
		b.group(t, func(g *kfake.GroupInfo) bool { return len(g.Members) == n })
		produce()
	}
	produce()
	stopFirst := run(t, b.source(t, b.dial), sink)
	members(1)
	run(t, b.source(t, b.dial), sink)
	members(2)

	// The third one dies with a batch in hand, once the group is stable. Until then, the fake lets the sessions of
	// members expire that wait to join, and never answers them; Kafka keeps them.
	var own gate
	third := b.source(t, own.dial)
	rest, died := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(died)
		for {
			batch := receive(t, third)
			select {
			case <-rest:
				own.set(true)
				_ = third.Close(t.Context()) // it cannot leave the group
				return
			default:
			}
			sink.keep(batch)
			settle(t, third, verdicts(ingest.Ack, batch)...)
		}
	}()
	members(3)
	b.group(t, func(g *kfake.GroupInfo) bool {
		shared := g.State == "Stable" && len(g.Members) == 3
		for _, m := range g.Members {
			shared = shared && len(m.Assignment[b.topic()]) == partitions/3
		}
		return shared
	})
	close(rest)
	produce()
	<-died
	members(2) // once its session has ended
	stopFirst()
	members(1)
	run(t, b.source(t, b.dial), sink)
	members(2)
	sink.complete(from)
}

// If the database is down for long, the group gets the partitions it asks for, and settling afterwards does not move
// the offsets of partitions that belong to another member by now.
func TestLongBatchLosesItsPartitionsAndCommitsTheRest(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sink := newFake(t, generation), newStore(t)
			b.Produce(t, interleaved(0, 2)...)
			first := b.source(t, b.dial)
			batch := whole(t, first, 2*len(keys()))
			run(t, b.source(t, b.dial), sink)
			b.group(t, func(g *kfake.GroupInfo) bool { return len(g.Members) == 2 })
			for range extendMost {
				if err := first.Extend(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			b.group(t, func(g *kfake.GroupInfo) bool {
				return g.State == "Stable" && len(g.Members) == 2 &&
					len(g.Members[0].Assignment[b.topic()]) == partitions/2 && len(g.Members[1].Assignment[b.topic()]) == partitions/2
			})
			b.Produce(t, interleaved(2, 4)...)
			await(t, func() string {
				if got := len(b.committed()); got < partitions/2 {
					return fmt.Sprintf("of %d partitions the other member has committed something", got)
				}
				return ""
			})
			moved := b.committed()
			sink.keep(batch)
			settle(t, first, verdicts(ingest.Ack, batch)...)
			after := b.committed()
			for number, end := range ends(batch) {
				if has, is := moved[number]; is && after[number] < has {
					t.Errorf("partition %d was committed to %d by its new member, and then to %d", number, has, after[number])
				} else if !is && after[number] != end {
					t.Errorf("partition %d is still ours, and committed to %d, want %d", number, after[number], end)
				}
			}
			run(t, first, sink)
			sink.complete(4)
		})
	}
}

// evict removes a member from the group, as Kafka does when it was silent for too long.
func (b *broker) evict(t testing.TB, id string) {
	t.Helper()
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = b.config.Group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	request.Members = append(request.Members, member)
	if _, err := request.RequestWith(t.Context(), b.client); err != nil {
		t.Fatal(err)
	}
}

// The client calls the restriction of commits at the last moment.
func TestCommitIsAskedFor(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.Produce(t, interleaved(0, 1)...)
	s := b.source(t, b.dial)
	batch := receive(t, s)
	s.member.mu.Lock()
	s.member.id = "another"
	s.member.mu.Unlock()
	settle(t, s, verdicts(ingest.Ack, batch)...)
	wantCommitted(t, b, map[int32]int64{})
	closeSource(t, s)
}

func TestMemberThatWasPutOutCommitsNothing(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sink := newFake(t, generation), newStore(t)
			b.Produce(t, interleaved(0, 5)...)
			first := b.source(t, b.dial)
			batch := receive(t, first)
			b.evict(t, b.group(t, func(g *kfake.GroupInfo) bool { return len(g.Members) == 1 }).Members[0].MemberID)
			sink.keep(batch)
			settle(t, first, verdicts(ingest.Ack, batch)...)
			wantCommitted(t, b, map[int32]int64{})
			run(t, first, sink)
			b.Produce(t, interleaved(5, 10)...)
			sink.complete(10)
		})
	}
}

// A member that was removed, and rejoined under a new id before it settles, finds its partitions reassigned.
func TestMemberThatIsBackCommitsNothingOfBefore(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sink := newFake(t, generation), newStore(t)
			b.Produce(t, interleaved(0, 2)...)
			first := b.source(t, b.dial)
			batch := whole(t, first, 2*len(keys()))
			b.evict(t, b.group(t, func(g *kfake.GroupInfo) bool { return len(g.Members) == 1 }).Members[0].MemberID)
			run(t, b.source(t, b.dial), sink)
			sink.complete(2)
			b.Produce(t, interleaved(2, 4)...)
			sink.complete(4)
			want := map[int32]int64{}
			for number, end := range ends(batch) {
				want[number] = 2 * end
			}
			await(t, func() string {
				if got := b.committed(); fmt.Sprint(got) != fmt.Sprint(want) {
					return fmt.Sprintf("committed are %v, want %v", got, want)
				}
				return ""
			})
			for range extendMost {
				if err := first.Extend(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			b.group(t, func(g *kfake.GroupInfo) bool { return g.State == "Stable" && len(g.Members) == 2 })
			settle(t, first, verdicts(ingest.Ack, batch)...)
			wantCommitted(t, b, want)
			run(t, first, sink)
			b.Produce(t, interleaved(4, 6)...)
			sink.complete(6)
		})
	}
}

// Close must end in time even if the group waits for another member that does not answer.
func TestCloseDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.Produce(t, interleaved(0, 1)...)
	first, second := b.source(t, b.dial), b.source(t, b.dial)
	receive(t, first)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = second.Receive(ctx)
	}()
	b.group(t, func(g *kfake.GroupInfo) bool { return g.State == "PreparingRebalance" && len(g.Members) == 2 })
	cancel()
	<-ended
	closing, cancelClosing := context.WithCancel(context.WithoutCancel(t.Context()))
	cancelClosing()
	began := time.Now()
	if err := second.Close(closing); err == nil {
		t.Error("the second consumer left in good order, although its group was busy")
	}
	if took := time.Since(began); took > rebalanceTimeout/2 {
		t.Errorf("it took %s to close", took)
	}
	closeSource(t, first)
}
