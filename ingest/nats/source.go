// Package nats receives messages from a NATS JetStream stream through a durable pull consumer. It knows the servers and
// their protocol, but not how messages are read or stored.
package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/postrider/postrider/ingest"
)

// Source receives messages from a stream. A message's position consists of the stream's name and creation time and the
// message's sequence and time.
type Source struct {
	config  Config
	ackWait time.Duration
	secure  *tls.Config
	log     *slog.Logger

	mu   sync.Mutex
	link *link // nil: not connected; the goroutine that receives and settles uses it, and so does Extend

	open     []*delivery // deliveries of the last batch, until it is settled
	extended atomic.Bool // the last batch is taking long

	gauge *nats.Conn // nil: not connected; only Depth uses it, and Close after it
}

var (
	_ ingest.Measured  = (*Source)(nil)
	_ ingest.Described = (*Source)(nil)
)

// Check connects, creates the consumer if it is missing, and looks for the destination of dead letters.
func (s *Source) Check(ctx context.Context) error {
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	return s.checkDeadLetters(ctx, l)
}

// connected returns the link, connecting if there is none.
func (s *Source) connected(ctx context.Context) (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil && !s.link.conn.IsClosed() {
		return s.link, nil
	}
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.link = l
	return l, nil
}

// drop closes a link on which something failed. It is unknown how much of what was sent on it has arrived.
func (s *Source) drop(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l {
		s.link = nil
	}
	l.conn.Close()
}

// Receive implements [ingest.Source].
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	l, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	for wait := holdLeast; ; wait = min(2*wait, l.order.holdMost()) {
		batch, err := l.pull(ctx)
		if err == nil && len(batch) == 0 {
			wait = holdLeast
			continue
		}
		if err == nil {
			batch, err = l.inOrder(ctx, batch)
		}
		switch {
		case err != nil && !errors.Is(err, errOthersFirst):
			if ctx.Err() == nil {
				s.drop(l)
			}
			return nil, err
		case len(batch) > 0:
			s.open = batch
			s.extended.Store(false)
			return messages(batch), nil
		}
		l.order.held += wait
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

func messages(batch []*delivery) []ingest.Message {
	all := make([]ingest.Message, len(batch))
	for i, d := range batch {
		headers := make(ingest.Headers, len(d.msg.Header))
		for name, values := range d.msg.Header {
			if len(values) > 0 {
				headers[name] = values[0]
			}
		}
		all[i] = ingest.Message{
			Topic: d.msg.Subject, Headers: headers, Body: d.msg.Data, Position: d.position, Handle: d,
		}
	}
	return all
}

// Extend implements [ingest.Source].
func (s *Source) Extend(ctx context.Context, messages []ingest.Message) error {
	s.extended.Store(true)
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	if err := l.extend(ctx, messages); err != nil {
		s.drop(l)
		return fmt.Errorf("extend: %w", l.explain(err))
	}
	return nil
}

func (l *link) extend(ctx context.Context, messages []ingest.Message) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for _, m := range messages {
		if d, ok := m.Handle.(*delivery); ok {
			if err := l.conn.Publish(d.msg.Reply, inProgress); err != nil {
				return err
			}
		}
	}
	return l.conn.FlushWithContext(ctx)
}

// Settle implements [ingest.Source].
func (s *Source) Settle(ctx context.Context, settlements []ingest.Settlement) error {
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	if s.extended.Load() {
		// An acknowledgement refers to a sequence of whichever consumer has the name. If that consumer was deleted
		// and recreated in the meantime, a message that another process holds would be acknowledged, and lost if that
		// process dies.
		if _, err := l.look(ctx); err != nil {
			s.drop(l)
			return fmt.Errorf("settle: %w", err)
		}
	}
	known := l.known(settlements)
	if n := len(settlements) - len(known); n > 0 {
		s.log.Warn("consumer lost track of delivered messages; they are redelivered if they still exist",
			"consumer", s.config.Consumer, "messages", n)
	}
	if err := l.settle(ctx, s.config, known); err != nil {
		s.drop(l)
		return err
	}
	s.open = nil
	return nil
}

// Close implements [ingest.Source].
func (s *Source) Close(ctx context.Context) error {
	if s.gauge != nil {
		s.gauge.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link
	if s.link = nil; l == nil {
		return nil
	}
	defer l.conn.Close()
	if l.conn.IsClosed() {
		return nil // its messages are redelivered after their ack wait
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l.giveBack(s.open)
	s.open = nil
	return l.conn.FlushWithContext(ctx)
}
