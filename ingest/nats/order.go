package nats

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A server delivers new messages while older ones, which were delivered to a consumer that died or on a connection
// that broke, wait for their ack wait to end. A consumer that stored messages as they arrive would store them out of
// order. So a batch counts only as far as everything before it is acknowledged; the messages after that are returned,
// and some time later all are pulled again.
//
// With a single consumer this keeps the order of the stream through all failures. Several consumers that share a
// durable take turns: the one that holds the oldest messages goes on, and the others wait.

// order is a link's state for keeping messages in order.
type order struct {
	log *slog.Logger

	// next is the count of the next delivery, if all before it are settled; 0: unknown.
	next uint64

	floor    uint64        // the sequence up to which everything was acknowledged at the last look
	held     time.Duration // how long messages have been returned since then
	patience time.Duration // how long that may go on
}

// Between two looks at the consumer, holdLeast passes, then twice that and so on, up to a tenth of the time after
// which lost messages are redelivered.
const holdLeast = 50 * time.Millisecond

// newOrder returns the state for a consumer with the given ack wait. A lost message is redelivered after that. If
// there is no progress for twice as long, a client is holding on to messages or the server is mistaken about them,
// and progress matters more than order.
func newOrder(ackWait time.Duration, log *slog.Logger) order {
	return order{log: log, patience: 2 * ackWait}
}

// holdMost returns the longest pause between two looks.
func (o *order) holdMost() time.Duration { return max(holdLeast, o.patience/20) }

// errAnother means that the deliveries are those of another consumer with the same name.
var errAnother = errors.New("the consumer was deleted and made again")

// inOrder returns the part of a batch whose turn it is, in order, and returns the rest to the server.
func (l *link) inOrder(ctx context.Context, batch []*delivery) ([]*delivery, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	slices.SortFunc(batch, func(a, b *delivery) int { return cmp.Compare(a.sequence, b.sequence) })
	last, follows := l.order.follows(batch)
	// A message is in the batch twice if it was returned twice, or if its ack wait ended while it was on its way.
	batch = slices.CompactFunc(batch, func(a, b *delivery) bool { return a.sequence == b.sequence })
	if follows {
		l.order.next = last + 1
		return batch, nil
	}
	info, err := l.look(ctx)
	if err != nil {
		l.giveBack(batch)
		return nil, err
	}
	n := l.order.turn(info, batch)
	l.giveBack(batch[n:])
	l.order.next = 0
	if n == len(batch) && info.NumAckPending <= n {
		l.order.next = last + 1
	}
	return batch[:n], nil
}

// look gets the state of the consumer from the server. It returns an error if another consumer has the name by now.
func (l *link) look(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	info, err := l.consumer.Info(ctx)
	if err == nil && !info.Created.Equal(l.info.Created) {
		err = errAnother
	}
	if err != nil {
		return nil, l.explain(err)
	}
	return info, nil
}

// follows reports whether a batch is everything that was delivered to anyone since the last batch, which is settled.
// Then nothing can be missing, and the server need not be asked. It also returns the last count.
func (o *order) follows(batch []*delivery) (last uint64, follows bool) {
	first := batch[0].count
	for _, d := range batch {
		first, last = min(first, d.count), max(last, d.count)
	}
	return last, first == o.next && last-first+1 == uint64(len(batch))
}

// turn returns how many messages of a batch are not preceded by a message that is lost or held by another client.
func (o *order) turn(info *jetstream.ConsumerInfo, batch []*delivery) int {
	if info.AckFloor.Stream != o.floor {
		o.floor, o.held = info.AckFloor.Stream, 0
	}
	n := undoubted(info, batch)
	if n == 0 && o.held >= o.patience {
		o.log.Warn("earlier messages stuck with a stalled or missing consumer; continuing without them",
			"acknowledged_up_to", o.floor, "next", batch[0].sequence)
		n = len(batch)
	}
	if n > 0 {
		o.held = 0
	}
	return n
}

// undoubted returns how many messages of a batch are certainly the next ones: all if no other client holds any;
// otherwise those whose sequences follow the acknowledged ones without a gap that another message may be in.
func undoubted(info *jetstream.ConsumerInfo, batch []*delivery) int {
	floor := info.AckFloor.Stream
	n, _ := slices.BinarySearchFunc(batch, floor+1, func(d *delivery, seq uint64) int { return cmp.Compare(d.sequence, seq) })
	if info.NumAckPending <= len(batch)-n {
		return len(batch)
	}
	for n < len(batch) && batch[n].sequence == floor+1 {
		floor, n = floor+1, n+1
	}
	return n
}
