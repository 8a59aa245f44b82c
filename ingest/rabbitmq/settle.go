package rabbitmq

import (
	"context"
	"slices"

	"github.com/postrider/postrider/ingest"
)

// Settle stores the dead letters one by one, up to the first that fails, and acknowledges all messages before that one.
//
// Messages to retry are given back by disconnecting. Returning them one by one would change their order: quorum queues
// without a delivery limit put returned messages at the end, and messages sent ahead would be received before them.
// When a consumer disconnects, all its messages go back to their places. This happens only when we stop, so it costs
// nothing.
func (s *Source) Settle(ctx context.Context, settlements []ingest.Settlement) error {
	if len(settlements) == 0 {
		return nil
	}
	l := handleOf(settlements[0].Message).link
	if l != s.link || l.lost() {
		return nil // they are redelivered
	}
	down, failure := s.putDown(ctx, settlements)
	done := settlements[:down]
	first := slices.IndexFunc(done, func(one ingest.Settlement) bool { return one.Verdict == ingest.Retry })
	if first < 0 {
		first = len(done)
	}
	err := l.within(ctx, func() error {
		if err := l.acknowledge(done[:first]); err != nil || failure != nil {
			return err
		}
		return l.acknowledgeEach(done[first:])
	})
	switch {
	case err != nil:
		s.log.Warn("connection lost during acknowledgement; the rest will be redelivered",
			"queue", s.config.Queue, "error", err)
		return nil
	case failure == nil && first < len(done):
		_ = s.disconnect(ctx) // even if RabbitMQ has not received the close, we are gone
	}
	return failure
}

// acknowledge acknowledges the first messages of a batch at once. All messages before the batch are acknowledged, so
// "up to this one" covers exactly these. RabbitMQ does not respond to an acknowledgement, and does not accept it
// twice.
func (l *link) acknowledge(first []ingest.Settlement) error {
	if len(first) == 0 {
		return nil
	}
	last := handleOf(first[len(first)-1].Message)
	if last.acked {
		return nil
	}
	if err := l.channel.Ack(last.delivery.DeliveryTag, true); err != nil {
		return err
	}
	last.acked = true
	l.acked.Store(last.delivery.DeliveryTag)
	return nil
}

// acknowledgeEach acknowledges the done messages one by one, if not all are done.
func (l *link) acknowledgeEach(some []ingest.Settlement) error {
	for _, one := range some {
		if one.Verdict == ingest.Retry {
			continue
		}
		if err := l.channel.Ack(handleOf(one.Message).delivery.DeliveryTag, false); err != nil {
			return err
		}
		l.acked.Add(1)
	}
	return nil
}
