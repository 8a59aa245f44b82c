package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// batchBytesMost is roughly the most bytes of bodies in a batch: the message that reaches it is the last one.
const batchBytesMost = 16 << 20

// contentType is the header that contains the property of that name.
const contentType = "content-type"

// link is a session that messages are received on.
type link struct {
	*session
	incoming chan *amqp.Delivery // closed when no more messages come
	over     chan struct{}       // closed when no more messages are wanted

	// Delivery tags count from 1, in the order of deliveries.
	delivered atomic.Uint64 // the tag of the last one
	acked     atomic.Uint64 // how many are acknowledged
}

// handle is what the adapter needs to settle a message.
type handle struct {
	link     *link // a delivery's tag is valid only on its own channel
	delivery *amqp.Delivery
	put      bool // the dead letter is stored
	acked    bool // the message and all before it are acknowledged
}

func handleOf(m ingest.Message) *handle { return m.Handle.(*handle) }

// silenceMost is how long a consumer waits for messages before it subscribes again. If a quorum queue is deleted and
// redeclared within some 100 ms, RabbitMQ 3.10 fails to cancel its consumers: it counts them as consumers of the new
// queue, assigns its messages to them, and never sends any.
const silenceMost = 5 * time.Minute

// Receive waits for a message, and adds the messages that have arrived after it.
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	for {
		l, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.silence):
			_ = s.disconnect(ctx)
		case first, more := <-l.incoming:
			if !more {
				return nil, s.receiveFailed(ctx, l)
			}
			return l.gather(first), nil
		}
	}
}

// receiveFailed returns why no more messages arrive on a link, and gives the link up.
func (s *Source) receiveFailed(ctx context.Context, l *link) error {
	err := l.reason()
	if err == nil {
		err = errors.New("the broker has cancelled the consumer, as it does when the queue is deleted or moves to another node")
	}
	_ = s.disconnect(ctx)
	return fmt.Errorf("receive from the queue %s: %w", s.config.Queue, err)
}

// gather makes a batch of a message and those available after it.
func (l *link) gather(d *amqp.Delivery) (batch []ingest.Message) {
	for bytes := 0; ; {
		batch = append(batch, l.message(d))
		bytes += len(d.Body)
		if len(batch) == ingest.BatchMost || bytes >= batchBytesMost {
			return batch
		}
		var more bool
		select {
		case d, more = <-l.incoming:
		default:
		}
		if !more {
			return batch
		}
	}
}

// connect makes the link unless there is one.
func (s *Source) connect(ctx context.Context) (*link, error) {
	if s.link != nil && s.link.lost() {
		s.log.Warn("connection lost; reconnecting, unacknowledged messages will be redelivered",
			"queue", s.config.Queue, "error", s.link.reason())
		_ = s.disconnect(ctx)
	}
	if s.link != nil {
		return s.link, nil
	}
	session, err := s.open(ctx, connectionName)
	if err != nil {
		return nil, err
	}
	l := &link{session: session, incoming: make(chan *amqp.Delivery, s.config.Prefetch), over: make(chan struct{})}
	if err := l.within(ctx, func() error { return l.consume(s.config) }); err != nil {
		_ = session.close(ctx)
		return nil, fmt.Errorf("consume from the queue %s: %w", s.config.Queue, explained(err))
	}
	s.link = l
	s.current.Store(l)
	return l, nil
}

func (l *link) consume(c Config) error {
	if err := l.channel.Qos(c.Prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := l.channel.Consume(c.Queue, connectionName, false, false, false, false, nil)
	if err == nil {
		go l.pump(deliveries)
	}
	return err
}

// pump moves deliveries to a channel that shows Receive all that have arrived. The library also buffers them, but
// offers the next one only a moment after the previous one was taken, so a receiver that does not wait would find
// them one by one.
func (l *link) pump(deliveries <-chan amqp.Delivery) {
	defer close(l.incoming)
	for d := range deliveries {
		l.delivered.Store(d.DeliveryTag)
		select {
		case l.incoming <- &d:
		case <-l.over:
			return
		}
	}
}

func (l *link) message(d *amqp.Delivery) ingest.Message {
	err := takeMark(d.Headers)
	return ingest.Message{
		Topic: d.RoutingKey, Headers: headers(d), Body: d.Body, Position: d.MessageId, Err: err,
		Handle: &handle{link: l, delivery: d},
	}
}

// headers returns a message's headers that are text, numbers or booleans, and its content type.
func headers(d *amqp.Delivery) ingest.Headers {
	all := ingest.Headers{}
	for name, value := range d.Headers {
		switch value.(type) {
		case string, bool, int8, uint8, int16, uint16, int32, uint32, int64, float32, float64:
			all[name] = fmt.Sprint(value)
		}
	}
	if d.ContentType != "" {
		all[contentType] = d.ContentType
	}
	return all
}
