package nats

import (
	"testing"

	"github.com/postrider/postrider/ingest"
)

// An acknowledgement refers to a sequence of whichever consumer has the name.
func TestBatchOfAStreamMadeAgainAcknowledgesNothingOfOthers(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = "1s"
	b.publish(t, 1, 3)
	first, second := b.source(t), b.source(t)
	old := receive(t, first)
	b.Remake(t, numbered(1, 3)...)
	wantNumbers(t, bodies(receive(t, second)), 1, 3)
	if err := first.Extend(within(t), old); err != nil {
		t.Fatal(err)
	}
	await(t, "a settlement", func() bool { return first.Settle(within(t), verdicts(ingest.Ack, old...)) == nil })
	second.link.conn.Close()
	wantNumbers(t, take(t, b.source(t), 3), 1, 3)
}

// The whole stream is then redelivered, and stored messages are recognised by their positions.
func TestConsumerThatIsDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	s := b.source(t)
	b.publish(t, 1, 3)
	wantNumbers(t, take(t, s, 3), 1, 3)
	b.publish(t, 4, 6)
	old := receive(t, s)
	if err := b.admin(t).DeleteConsumer(within(t), b.name, b.config.Consumer); err != nil {
		t.Fatal(err)
	}
	await(t, "a settlement", func() bool { return s.Settle(within(t), verdicts(ingest.Ack, old...)) == nil })
	again := receive(t, s)
	wantNumbers(t, bodies(again), 1, 6)
	if len(again) == 6 && again[3].Position != old[0].Position {
		t.Errorf("position %s was %s before", again[3].Position, old[0].Position)
	}
	settle(t, s, verdicts(ingest.Ack, again...))
}

// The server notifies a waiting client, whose next call creates the consumer.
func TestConsumerThatIsDeletedWhileItIsWaitedForIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	s := b.source(t)
	failed := make(chan error)
	go func() {
		_, err := s.Receive(within(t))
		failed <- err
	}()
	await(t, "the consumer", func() bool {
		c, err := b.admin(t).Consumer(within(t), b.name, b.config.Consumer)
		return err == nil && c.CachedInfo().NumWaiting > 0
	})
	if err := b.admin(t).DeleteConsumer(within(t), b.name, b.config.Consumer); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-failed, "Consumer Deleted")
	b.publish(t, 1, 3)
	wantNumbers(t, take(t, s, 3), 1, 3)
}
