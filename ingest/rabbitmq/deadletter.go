package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// Headers that say where a dead letter comes from.
const (
	exchangeHeader   = "postrider-exchange"
	routingKeyHeader = "postrider-routing-key"
	queueHeader      = "postrider-queue"
)

// RabbitMQ would act on these properties of a copy, so the copy has them as headers instead.
const (
	expirationHeader = "postrider-expiration" // in milliseconds; as a property it would delete the copy
	userHeader       = "postrider-user-id"    // the publisher; as a property RabbitMQ accepts only our own
)

// renamed maps headers that RabbitMQ would act on to their names in a copy.
var renamed = map[string]string{
	"CC":      "postrider-cc", // further routing keys, which would also route the copy elsewhere
	"BCC":     "postrider-bcc",
	"x-delay": "postrider-x-delay", // a delaying exchange returns mandatory messages, such as dead letters
}

// outlet is a session that dead letters are published on, one at a time.
type outlet struct {
	*session
	returns chan amqp.Return // unroutable messages, sent before their confirmation
}

// putDown stores dead letters, in order, and returns how many of all settlements come before the first that failed.
func (s *Source) putDown(ctx context.Context, settlements []ingest.Settlement) (down int, err error) {
	for i, one := range settlements {
		h := handleOf(one.Message)
		if one.Verdict != ingest.DeadLetter || h.put {
			continue
		}
		whole := ingest.Letter{Headers: len(h.delivery.Headers) > 0, Body: len(h.delivery.Body)}
		err := ingest.PutAside(s.log.With("queue", s.config.Queue), one, whole, func(l ingest.Letter) error {
			return s.putOne(ctx, h.delivery, l)
		})
		if err != nil {
			return i, fmt.Errorf("put a dead letter of the queue %s down: %w", s.config.Queue, err)
		}
		h.put = true
	}
	return len(settlements), nil
}

// putOne stores a copy of a message, and returns when it is confirmed. After an error the next one opens a new
// connection.
func (s *Source) putOne(ctx context.Context, d *amqp.Delivery, l ingest.Letter) error {
	if s.outlet != nil && s.outlet.lost() {
		_ = s.closeOutlet(ctx)
	}
	if s.outlet == nil {
		if err := s.openOutlet(ctx); err != nil {
			return err
		}
	}
	letter := s.letter(d, l)
	if size, most := headerFrame(letter), s.outlet.conn.Config.FrameSize; most > 0 && size > most {
		return ingest.TooLargeError{
			Err: fmt.Errorf("its properties take a frame of %d bytes; frame_max is %d", size, most),
		}
	}
	err := s.outlet.publish(ctx, s.config.DeadLetterExchange, cmp.Or(s.config.DeadLetterRoutingKey, d.RoutingKey), letter)
	if err != nil {
		_ = s.closeOutlet(ctx)
	}
	return err
}

func (s *Source) openOutlet(ctx context.Context) error {
	session, err := s.open(ctx, outletName)
	if err != nil {
		return err
	}
	s.outlet = &outlet{session: session, returns: session.channel.NotifyReturn(make(chan amqp.Return, 1))}
	if err := session.within(ctx, func() error { return session.channel.Confirm(false) }); err != nil {
		return errors.Join(explained(err), s.closeOutlet(ctx))
	}
	return nil
}

func (o *outlet) publish(ctx context.Context, exchange, key string, letter amqp.Publishing) error {
	confirmed := false
	err := o.within(ctx, func() error {
		confirmation, err := o.channel.PublishWithDeferredConfirm(exchange, key, true, false, letter)
		if err == nil {
			confirmed = confirmation.Wait() // it also returns when the session ends
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
		return o.refusal()
	}
	return errors.New("the broker refuses it: a queue that it is for is full or does not work")
}

// refusal returns why the broker closed the channel instead of confirming a letter. These exceptions are about the
// letter: its body is larger than max_message_size, or a property is invalid.
func (o *outlet) refusal() error {
	exception := o.exception()
	if exception == nil {
		return amqp.ErrClosed
	}
	switch exception.Code {
	case amqp.ContentTooLarge, amqp.PreconditionFailed, amqp.FrameError:
		return ingest.TooLargeError{Err: explained(exception)}
	}
	return explained(exception)
}

// closeOutlet closes the session that dead letters are published on, if there is one.
func (s *Source) closeOutlet(ctx context.Context) error {
	o := s.outlet
	if o == nil {
		return nil
	}
	s.outlet = nil
	return o.close(ctx)
}

// letter returns a copy of a message with its reason and origin, as far as that fits.
func (s *Source) letter(d *amqp.Delivery, l ingest.Letter) amqp.Publishing {
	body := d.Body[:l.Body]
	if l.About == nil {
		return amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: d.MessageId, Body: body}
	}
	headers := amqp.Table{}
	if l.Headers {
		for name, value := range d.Headers {
			headers[cmp.Or(renamed[name], name)] = value
		}
	}
	for name, value := range map[string]string{expirationHeader: d.Expiration, userHeader: d.UserId} {
		if value != "" {
			headers[name] = value
		}
	}
	for name, value := range l.About {
		headers[name] = value
	}
	headers[exchangeHeader], headers[routingKeyHeader], headers[queueHeader] = d.Exchange, d.RoutingKey, s.config.Queue
	return amqp.Publishing{
		Headers: headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: amqp.Persistent, Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo,
		MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: body,
	}
}
