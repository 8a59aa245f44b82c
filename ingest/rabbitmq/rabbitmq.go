// Package rabbitmq receives messages from a RabbitMQ queue over AMQP 0-9-1. It knows how RabbitMQ delivers messages,
// takes them back and confirms publishing. It does not know what messages contain or what becomes of them. It declares
// no queues or exchanges; those belong to their owner.
package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// callTimeout is how long the broker may take to answer: to accept a login, find a queue or confirm a dead letter. It
// takes some milliseconds, or seconds if a node of a cluster has just died.
const callTimeout = 10 * time.Second

// Source receives messages from a queue.
type Source struct {
	log     *slog.Logger
	config  Config
	tls     *tls.Config // nil: no TLS
	timeout time.Duration
	silence time.Duration // silenceMost, or less in tests

	// Dead letters have a connection of their own. When RabbitMQ is short of memory or disk space, it stops reading
	// from connections that publish, and would not receive acknowledgements either.
	link   *link   // nil: no connection to receive on
	outlet *outlet // nil: no connection to publish on

	current atomic.Pointer[link] // link, for Depth
	gauge   *session             // nil: no connection to ask on; only Depth uses it, and Close after it
}

var (
	_ ingest.Measured  = (*Source)(nil)
	_ ingest.Described = (*Source)(nil)
)

// New returns a source. It opens no connection.
func New(c Config, log *slog.Logger) (*Source, error) {
	set, err := c.read()
	if err != nil {
		return nil, err
	}
	return &Source{log: log, config: set.Config, tls: set.tls, timeout: callTimeout, silence: silenceMost}, nil
}

// Check returns an error unless the queue and the dead letter exchange exist or, with the default exchange, the dead
// letter queue. RabbitMQ reveals permissions to read and write only when a client reads or writes.
func (s *Source) Check(ctx context.Context) error {
	session, err := s.open(ctx, connectionName)
	if err != nil {
		return err
	}
	defer func() { _ = session.close(ctx) }()
	queue := session.find(ctx, "queue", s.config.Queue, passiveQueue)
	if s.config.DeadLetterExchange == "" {
		return errors.Join(queue, session.find(ctx, "dead_letter_routing_key", s.config.DeadLetterRoutingKey, passiveQueue))
	}
	return errors.Join(queue, session.find(ctx, "dead_letter_exchange", s.config.DeadLetterExchange, passiveExchange))
}

// A passive declaration creates nothing; only its name matters.

func passiveQueue(channel *amqp.Channel, name string) error {
	_, err := channel.QueueDeclarePassive(name, false, false, false, false, nil)
	return err
}

func passiveExchange(channel *amqp.Channel, name string) error {
	return channel.ExchangeDeclarePassive(name, amqp.ExchangeTopic, false, false, false, false, nil)
}

// find looks something up on a channel of its own, because RabbitMQ closes the channel if it does not exist.
func (s *session) find(ctx context.Context, field, name string, declare func(*amqp.Channel, string) error) error {
	err := s.within(ctx, func() error {
		channel, err := s.conn.Channel()
		if err != nil {
			return err
		}
		return declare(channel, name)
	})
	if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code == amqp.NotFound {
		return fmt.Errorf("%s: there is no %s in the virtual host %s", field, name, s.conn.Config.Vhost)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", field, explained(err))
	}
	return nil
}

// Extend does nothing: a message belongs to us while its channel is open. RabbitMQ closes the channel after its
// consumer_timeout, half an hour by default, and nothing postpones that. The messages are then redelivered, and those
// stored by then are recognised by their positions.
func (s *Source) Extend(context.Context, []ingest.Message) error { return nil }

// Close disconnects. RabbitMQ puts unacknowledged messages back to their places in the queue.
func (s *Source) Close(ctx context.Context) error {
	return errors.Join(s.disconnect(ctx), s.closeOutlet(ctx), s.closeGauge(ctx))
}
