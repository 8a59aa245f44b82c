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

// A server hands out new messages while older ones, which were delivered to a consumer that died or on a
// connection that broke, wait for their time to be over. Whoever took those as they come would store them
// out of order. So a batch counts only as far as everything before it is acknowledged; what is behind that
// is given back, and some time later all is pulled again.
//
// For one consumer that keeps the order of the stream, whatever breaks. Several that share a durable take
// turns: whoever has the oldest messages goes on, and the others wait.

// order is what one link knows about that.
type order struct {
	log *slog.Logger

	// next is the count of the next delivery, if all before it are settled; 0: nobody knows.
	next uint64

	floor    uint64        // up to which sequence all was acknowledged when it was last looked at
	held     time.Duration // how long messages were given back since then
	patience time.Duration // how long that may go on
}

// Between two looks, holdLeast passes, then twice that and so on, a tenth at most of what lost messages
// take to come again.
const holdLeast = 50 * time.Millisecond

// newOrder is for a consumer that waits that long at most for an acknowledgement. A message that is lost
// comes again after that. After twice that without any progress, somebody holds on to messages or the
// server is mistaken about them, and order is worth less than going on.
func newOrder(ackWait time.Duration, log *slog.Logger) order {
	return order{log: log, patience: 2 * ackWait}
}

// holdMost is how long to wait at most between two looks.
func (o *order) holdMost() time.Duration { return max(holdLeast, o.patience/20) }

// errAnother says that the consumer's deliveries are those of another consumer of its name.
var errAnother = errors.New("the consumer was deleted and made again")

// inOrder returns the part of a batch whose turn it is, in order, and gives the rest back.
func (l *link) inOrder(ctx context.Context, batch []*delivery) ([]*delivery, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	slices.SortFunc(batch, func(a, b *delivery) int { return cmp.Compare(a.sequence, b.sequence) })
	last, follows := l.order.follows(batch)
	// A message is there twice if it was given back twice, or its time was over while it was on its way.
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

// look asks the server for the state of the consumer. That another one has its name by now is an error.
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

// follows tells whether a batch is all that was delivered to anyone since the last one, which is settled.
// Then nothing can be missing, and the server need not be asked. It also returns the last count.
func (o *order) follows(batch []*delivery) (last uint64, follows bool) {
	first := batch[0].count
	for _, d := range batch {
		first, last = min(first, d.count), max(last, d.count)
	}
	return last, first == o.next && last-first+1 == uint64(len(batch))
}

// turn is how many messages of a batch are not behind any that others have or that are lost.
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

// undoubted is how many messages of a batch are known to be the next ones: all if nobody else has any;
// else those whose sequences follow on what is acknowledged, without a gap that another may be in.
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
