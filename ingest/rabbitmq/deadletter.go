package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// The headers that say where a dead letter comes from.
const (
	exchangeHeader   = "postrider-exchange"
	routingKeyHeader = "postrider-routing-key"
	queueHeader      = "postrider-queue"
)

// What RabbitMQ would act on if the copy carried it as it was has these names in it.
const (
	ccHeader         = "postrider-cc"         // further routing keys, by which the copy would go elsewhere too
	expirationHeader = "postrider-expiration" // milliseconds, after which the copy would be deleted
	userHeader       = "postrider-user-id"    // whoever published it; RabbitMQ refuses any but our own
)

// reasonBytesMost is how much of a reason is kept: one may quote its message, and all headers together have
// to fit into a frame of 128 KiB.
const reasonBytesMost = 1024

// outlet is a session that dead letters are published by, one at a time.
type outlet struct {
	*session
	returns chan amqp.Return // what no queue would take, sent ahead of its confirmation
}

// putDown puts dead letters down, in order, and tells how many of all settlements come before the first
// that failed.
func (s *Source) putDown(ctx context.Context, settlements []ingest.Settlement) (down int, err error) {
	for i, one := range settlements {
		h := handleOf(one.Message)
		if one.Verdict != ingest.DeadLetter || h.put {
			continue
		}
		if err := s.putOne(ctx, h.delivery, one.Reason); err != nil {
			return i, fmt.Errorf("put a dead letter of the queue %s down: %w", s.config.Queue, err)
		}
		h.put = true
	}
	return len(settlements), nil
}

// putOne returns when a copy of a message is where it is kept. After an error the next one begins with a new
// connection.
func (s *Source) putOne(ctx context.Context, d *amqp.Delivery, reason string) error {
	if s.outlet != nil && s.outlet.lost() {
		_ = s.closeOutlet(ctx)
	}
	if s.outlet == nil {
		session, err := s.open(ctx, outletName)
		if err != nil {
			return err
		}
		s.outlet = &outlet{session: session, returns: session.channel.NotifyReturn(make(chan amqp.Return, 1))}
		if err := session.within(ctx, func() error { return session.channel.Confirm(false) }); err != nil {
			return errors.Join(explained(err), s.closeOutlet(ctx))
		}
	}
	key := cmp.Or(s.config.DeadLetterRoutingKey, d.RoutingKey)
	err := s.outlet.publish(ctx, s.config.DeadLetterExchange, key, s.letter(d, reason))
	if err != nil {
		_ = s.closeOutlet(ctx)
	}
	return err
}

func (o *outlet) publish(ctx context.Context, exchange, key string, letter amqp.Publishing) error {
	confirmed := false
	err := o.within(ctx, func() error {
		confirmation, err := o.channel.PublishWithDeferredConfirm(exchange, key, true, false, letter)
		if err == nil {
			confirmed = confirmation.Wait() // it ends with the session, too
		}
		return err
	})
	select {
	case _, returned := <-o.returns:
		if returned && exchange == "" {
			return fmt.Errorf("there is no queue %s", key)
		} else if returned {
			return fmt.Errorf("the exchange %s has no queue for the routing key %q", exchange, key)
		}
	default:
	}
	switch {
	case confirmed && err == nil:
		return nil
	case err != nil && !errors.Is(err, amqp.ErrClosed):
		return fmt.Errorf("the broker, which may be short of memory or disk space, does not confirm it: %w", err)
	case o.lost():
		return cmp.Or(o.reason(), error(amqp.ErrClosed))
	}
	return errors.New("the broker refuses it: a queue that it is for is full or does not work")
}

// closeOutlet ends the session that dead letters are published by, if there is one.
func (s *Source) closeOutlet(ctx context.Context) error {
	o := s.outlet
	if o == nil {
		return nil
	}
	s.outlet = nil
	return o.close(ctx)
}

// letter is a copy of a message that says why it is there and where it comes from.
func (s *Source) letter(d *amqp.Delivery, reason string) amqp.Publishing {
	headers := amqp.Table{}
	maps.Copy(headers, d.Headers)
	if cc, ok := headers["CC"]; ok {
		delete(headers, "CC")
		headers[ccHeader] = cc
	}
	for name, value := range map[string]string{expirationHeader: d.Expiration, userHeader: d.UserId} {
		if value != "" {
			headers[name] = value
		}
	}
	headers[ingest.ReasonHeader] = strings.ToValidUTF8(reason[:min(len(reason), reasonBytesMost)], "")
	headers[exchangeHeader], headers[routingKeyHeader], headers[queueHeader] = d.Exchange, d.RoutingKey, s.config.Queue
	return amqp.Publishing{
		Headers: headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: amqp.Persistent, Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo,
		MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: d.Body,
	}
}
