package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// RabbitMQ writes acknowledgements in some milliseconds. One that takes a second for it is left alone:
	// what it forgets comes again, and is known.
	flushPause = 10 * time.Millisecond
	flushTries = 100

	flushTag       = connectionName + " leaves"
	lowestPriority = int32(-1 << 31)
)

// disconnect ends the link, if there is one. RabbitMQ puts back what is not acknowledged.
func (s *Source) disconnect(ctx context.Context) error {
	l := s.link
	if l == nil {
		return nil
	}
	s.link = nil
	defer close(l.over)
	if l.acked > 0 && !l.lost() {
		err := l.within(ctx, func() error { return l.flush(s.config) })
		if err != nil && l.conn.IsClosed() {
			return err // we have hung up; all else is not worth an error, as when the queue is deleted
		}
	}
	return l.close(ctx)
}

// flush waits until the queue has all our acknowledgements. RabbitMQ has 32 of a channel's on their way into a
// quorum queue at a time. Others wait until these are written, and are forgotten when the channel closes:
// their messages would come again after a stop in good order.
//
// No answer tells how far it is. But RabbitMQ sends no more ahead than it may: if it has sent that many beyond
// what we have acknowledged, it knows of all that. As long as the queue has messages it will. If it has none
// left, one more consumer can take none away from the first, and is a change to the queue that is carried out
// behind all that was on its way.
func (l *link) flush(c Config) error {
	for range flushTries {
		state, err := l.channel.QueueDeclarePassive(c.Queue, false, false, false, false, nil)
		switch {
		case err != nil:
			return err
		case l.delivered.Load()-l.acked >= uint64(c.Prefetch):
			return nil
		case state.Messages == 0:
			return l.flushEmpty(c)
		}
		<-time.After(flushPause)
	}
	return nil
}

func (l *link) flushEmpty(c Config) error {
	if err := l.channel.Qos(1, 0, false); err != nil {
		return err
	}
	lowest := amqp.Table{"x-priority": lowestPriority}
	if _, err := l.channel.Consume(c.Queue, flushTag, false, false, false, false, lowest); err != nil {
		return err
	}
	return passiveQueue(l.channel, c.Queue) // by its answer the channel has heard that there is room, and sent the others
}
