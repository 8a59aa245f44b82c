package rabbitmq

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postrider/postrider/ingest"
)

// gaugeName is the name of the connection that asks how many messages there are.
const gaugeName = "postrider metrics"

// Depth returns how many messages are in the queue, with those that this process has received and not acknowledged:
// RabbitMQ does not tell how many other processes have. It returns how many messages are in the dead letter queue if
// the configuration names it: RabbitMQ does not tell which queues an exchange is bound to.
func (s *Source) Depth(ctx context.Context) (ingest.Depth, error) {
	d := ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}
	if s.gauge != nil && s.gauge.lost() {
		_ = s.closeGauge(ctx)
	}
	if s.gauge == nil {
		session, err := s.open(ctx, gaugeName)
		if err != nil {
			return d, err
		}
		s.gauge = session
	}
	ready, err := s.gauge.count(ctx, s.config.Queue)
	if err != nil {
		return d, err
	}
	d.Lag = ready + s.unsettled()
	if s.config.DeadLetterExchange != "" {
		return d, nil
	}
	letters, err := s.gauge.count(ctx, s.config.DeadLetterRoutingKey)
	if err == nil {
		d.DeadLetters = letters
	}
	return d, err
}

// unsettled returns how many messages RabbitMQ has sent us that are not acknowledged. Those of a lost connection are
// in the queue again.
func (s *Source) unsettled() int64 {
	l := s.current.Load()
	if l == nil || l.lost() {
		return 0
	}
	acked := l.acked.Load() // before the other, which is never lower
	return int64(l.delivered.Load() - acked)
}

// count returns how many messages are ready in a queue. It uses a channel of its own, because RabbitMQ closes the
// channel if the queue does not exist.
func (s *session) count(ctx context.Context, queue string) (n int64, err error) {
	err = s.within(ctx, func() error {
		channel, err := s.conn.Channel()
		if err != nil {
			return err
		}
		defer func() { _ = channel.Close() }()
		state, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
		n = int64(state.Messages)
		return err
	})
	if err != nil {
		err = fmt.Errorf("count the messages of the queue %s: %w", queue, explained(err))
	}
	return n, err
}

// closeGauge closes the connection that asks, if there is one.
func (s *Source) closeGauge(ctx context.Context) error {
	session := s.gauge
	if session == nil {
		return nil
	}
	s.gauge = nil
	return session.close(ctx)
}

// Attributes implements [ingest.Described].
func (*Source) Attributes(m ingest.Message) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("messaging.rabbitmq.destination.routing_key", m.Topic)}
}
