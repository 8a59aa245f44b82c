package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// RabbitMQ writes acknowledgements in some milliseconds. If one takes longer than a second, we stop waiting: its
	// message is redelivered and recognised.
	flushPause = 10 * time.Millisecond
	flushTries = 100

	flushTag       = connectionName + " leaves"
	lowestPriority = int32(-1 << 31)
)

// disconnect closes the link, if there is one. RabbitMQ requeues unacknowledged messages.
func (s *Source) disconnect(ctx context.Context) error {
	l := s.link
	if l == nil {
		return nil
	}
	s.link = nil
	s.current.Store(nil)
	defer close(l.over)
	if l.acked.Load() > 0 && !l.lost() {
		err := l.within(ctx, func() error { return l.flush(s.config) })
		if err != nil && l.conn.IsClosed() {
			return err // the connection is closed; other errors do not matter, such as those for a deleted queue
		}
	}
	return l.close(ctx)
}

// flush waits until the queue has all our acknowledgements. RabbitMQ sends a quorum queue up to 32 of a channel's
// acknowledgements at a time. The others wait until these are written, and are forgotten when the channel closes:
// their messages would be redelivered after a clean stop.
//
// No response says how far RabbitMQ is. But it never sends more messages than prefetch allows: if it has sent that
// many beyond our acknowledged messages, it has processed all those acknowledgements. It will, as long as the queue
// has messages. If the queue is empty, we add one more consumer, which cannot take messages from the first, and is a
// change to the queue that is carried out after everything that was on its way.
func (l *link) flush(c Config) error {
	for range flushTries {
		state, err := l.channel.QueueDeclarePassive(c.Queue, false, false, false, false, nil)
		switch {
		case err != nil:
			return err
		case l.delivered.Load()-l.acked.Load() >= uint64(c.Prefetch):
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
	return passiveQueue(l.channel, c.Queue) // its response follows the remaining acknowledgements
}
