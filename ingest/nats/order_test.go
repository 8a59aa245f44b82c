package nats

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// A server delivers new messages while others, which a consumer took with it, wait for redelivery.
func TestMessagesOfAKilledConsumerComeFirst(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.publish(t, 1, 5)
	killed := b.source(t)
	wantNumbers(t, bodies(receive(t, killed)), 1, 5)
	killed.link.conn.Close()

	b.publish(t, 6, 10)
	wantNumbers(t, take(t, b.source(t), 10), 1, 10)
}

// With a filter the sequences have gaps, in which a message might be missing.
func TestMessagesOfAKilledConsumerComeFirstFromAFilter(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.Subjects = []string{b.name + ".red"}
	interleave := func(from, to int) {
		for n := from; n <= to; n++ {
			b.Produce(t, sourcetest.Produced{Group: "blue", Body: "not wanted"})
			b.publish(t, n, n)
		}
	}
	interleave(1, 5)
	first := b.source(t)
	wantNumbers(t, take(t, first, 5), 1, 5)
	interleave(6, 8)
	wantNumbers(t, bodies(receive(t, first)), 6, 8)
	first.link.conn.Close()

	interleave(9, 12)
	wantNumbers(t, take(t, b.source(t), 7), 6, 12)
}

// Messages written to a broken connection count as delivered.
func TestMessagesThatWereLostOnTheirWayComeFirst(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	s := b.source(t)
	b.publish(t, 1, 3)
	wantNumbers(t, take(t, s, 3), 1, 3)

	lost := make(chan error)
	go func() {
		_, err := s.Receive(within(t))
		lost <- err
	}()
	await(t, "the next pull", func() bool { return b.consumer(t).NumWaiting > 0 })
	b.deaf.Store(true)
	b.publish(t, 4, 6)
	await(t, "the delivery", func() bool { return b.consumer(t).NumAckPending > 0 })
	b.cut()
	b.deaf.Store(false)
	if err := <-lost; err == nil {
		t.Fatal("the connection broke, and that was no error")
	}
	b.publish(t, 7, 9)
	wantNumbers(t, take(t, s, 6), 4, 9)
}

// A stop must not leave messages waiting for their ack wait to end.
func TestAStopGivesBackWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = time.Hour.String()
	const rounds = 30
	var all []string
	for n := 1; n <= rounds; n++ {
		s := b.source(t)
		if err := s.Check(within(t)); err != nil {
			t.Fatal(err)
		}
		stop := start(t, s)
		b.publish(t, n, n)
		if batch := stop(); len(batch) > 0 {
			all = append(all, bodies(batch)...)
			settle(t, s, verdicts(ingest.Ack, batch...))
		}
		if err := s.Close(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if rest := rounds - len(all); rest > 0 {
		all = append(all, take(t, b.source(t), rest)...)
	}
	wantNumbers(t, all, 1, rounds)
}

// start receives until stop is called, which returns the messages.
func start(t *testing.T, s *Source) (stop func() []ingest.Message) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	received := make(chan []ingest.Message)
	go func() {
		batch, _ := s.Receive(ctx)
		received <- batch
	}()
	return func() []ingest.Message {
		cancel()
		return <-received
	}
}

// full returns the broker of a consumer with two unacknowledged messages at most, one of which another source holds.
func full(t *testing.T) *broker {
	t.Helper()
	b := newBroker(t)
	config := jetstream.ConsumerConfig{
		Durable: b.config.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour, MaxAckPending: 2,
	}
	if _, err := b.admin(t).CreateConsumer(within(t), b.name, config); err != nil {
		t.Fatal(err)
	}
	b.publish(t, 1, 1)
	receive(t, b.source(t))
	b.publish(t, 2, 4)
	return b
}

// pullSoon pulls, and expects an answer before the pull expires.
func pullSoon(t *testing.T, s *Source) []*delivery {
	t.Helper()
	l, err := s.connected(within(t))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	batch, err := l.pull(within(t))
	if took := time.Since(began); err != nil || took > pullWithin-time.Second {
		t.Errorf("it took %s, and the error is %v", took, err)
	}
	return batch
}

func TestAPullEndsWhenNoMoreMayBeOut(t *testing.T) {
	t.Parallel()
	if batch := pullSoon(t, full(t).source(t)); len(batch) != 1 || batch[0].sequence != 2 {
		t.Errorf("it brought %d messages, want the second", len(batch))
	}
}

func TestAStopInALullGivesBackWhatCame(t *testing.T) {
	t.Parallel()
	b := full(t)
	s := b.source(t)
	stop := start(t, s)
	await(t, "the delivery", func() bool { return b.consumer(t).NumAckPending == 2 })
	if batch := stop(); len(batch) > 0 {
		t.Errorf("received %q while the message ahead is with another", bodies(batch))
	}
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if batch := pullSoon(t, b.source(t)); len(batch) != 1 || batch[0].sequence != 2 {
		t.Errorf("the next pull brought %d messages, want the second", len(batch))
	}
}

// Otherwise two concurrent consumers would receive messages alternately.
func TestTheOthersWaitForWhoeverHasTheOldestMessages(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.publish(t, 1, 3)
	first, second := b.source(t), b.source(t)
	batch := receive(t, first)
	b.publish(t, 4, 6)
	soon, cancel := context.WithTimeout(within(t), holdsFor/2)
	defer cancel()
	if got, err := second.Receive(soon); err == nil {
		t.Errorf("received %q while the messages ahead are with another", bodies(got))
	}
	settle(t, first, verdicts(ingest.Ack, batch...))
	wantNumbers(t, take(t, second, 3), 4, 6)
}

func TestAConsumerThatDoesNotGoOnIsOvertaken(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = "1s"
	b.publish(t, 1, 3)
	stuck := b.source(t)
	batch := receive(t, stuck)
	b.publish(t, 4, 6)
	extending, stop := context.WithCancel(within(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-extending.Done():
				tick.Stop()
				return
			case <-tick.C:
				if err := stuck.Extend(extending, batch); err != nil && extending.Err() == nil {
					t.Errorf("extend: %v", err)
				}
			}
		}
	}()
	wantNumbers(t, take(t, b.source(t), 3), 4, 6)
	stop()
	<-done
}

func TestUndoubted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pending   int    // how many messages are unacknowledged
		floor     uint64 // up to which sequence all are acknowledged
		sequences []uint64
		want      int
	}{
		"nobody else has any":          {3, 0, []uint64{7, 9, 12}, 3},
		"the next, and others behind":  {9, 6, []uint64{7, 8, 9}, 3},
		"others ahead":                 {9, 5, []uint64{7, 8, 9}, 0},
		"others in between":            {9, 6, []uint64{7, 8, 10, 11}, 2},
		"acknowledged meanwhile":       {9, 8, []uint64{7, 8, 9}, 3},
		"acknowledged, but for others": {9, 8, []uint64{5, 10}, 1},
		"as many as are not ours":      {2, 8, []uint64{7, 10}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := &jetstream.ConsumerInfo{NumAckPending: c.pending, AckFloor: jetstream.SequenceInfo{Stream: c.floor}}
			if got := undoubted(info, deliveries(c.sequences...)); got != c.want {
				t.Errorf("%d of %v, want %d", got, c.sequences, c.want)
			}
		})
	}
}

func TestAMessageThatCameTwiceIsHandedOutOnce(t *testing.T) {
	t.Parallel()
	l := &link{order: newOrder(time.Minute, slog.New(slog.DiscardHandler))}
	l.order.next = 4
	batch := deliveries(10, 11, 10)
	for i, d := range batch {
		d.count = uint64(4 + i)
	}
	got, err := l.inOrder(within(t), batch)
	if err != nil || len(got) != 2 || got[0].sequence != 10 || got[1].sequence != 11 {
		t.Errorf("%d messages and the error %v", len(got), err)
	}
}

func deliveries(sequences ...uint64) (batch []*delivery) {
	for _, seq := range sequences {
		batch = append(batch, &delivery{sequence: seq})
	}
	return batch
}

func TestProgressOfOthersRenewsThePatience(t *testing.T) {
	t.Parallel()
	o := newOrder(time.Second, slog.New(slog.DiscardHandler))
	batch := deliveries(10)
	turn := func(floor uint64) int {
		return o.turn(&jetstream.ConsumerInfo{NumAckPending: 5, AckFloor: jetstream.SequenceInfo{Stream: floor}}, batch)
	}
	o.held = 2 * time.Second
	if n := turn(3); n != 0 {
		t.Errorf("%d messages, though others went on", n)
	}
	o.held = 2*time.Second - 1
	if n := turn(3); n != 0 {
		t.Errorf("%d messages before the time is over", n)
	}
	o.held = 2 * time.Second
	if n := turn(3); n != 1 {
		t.Errorf("%d messages after the time is over, want 1", n)
	}
}

// await polls until a condition holds.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for end := within(t); !is(); {
		select {
		case <-end.Done():
			t.Fatalf("%s does not come", what)
		case <-poll.C:
		}
	}
}
