package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"

	"github.com/postrider/postrider/ingest"
)

// Depth returns how many messages the consumer has not seen acknowledged, whichever process holds them, and how many
// messages of the dead letter subject its stream retains. It has a connection of its own, because a question that the
// account may not ask ends the connection.
func (s *Source) Depth(ctx context.Context) (ingest.Depth, error) {
	d := ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}
	js, err := s.asking(ctx)
	if err != nil {
		return d, err
	}
	consumer, err := js.Consumer(ctx, s.config.Stream, s.config.Consumer)
	if err != nil {
		return d, fmt.Errorf("consumer %s: %w", s.config.Consumer, s.refusal(err))
	}
	info := consumer.CachedInfo()
	d.Lag = int64(info.NumPending) + int64(info.NumAckPending)
	letters, err := lettersIn(ctx, js, s.config.DeadLetterSubject)
	if err != nil {
		return d, fmt.Errorf("dead_letter_subject: %w", s.refusal(err))
	}
	d.DeadLetters = letters
	return d, nil
}

// asking returns JetStream on the connection that Depth asks on.
func (s *Source) asking(ctx context.Context) (jetstream.JetStream, error) {
	if s.gauge == nil || s.gauge.IsClosed() {
		quiet := func(conn *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				conn.Close() // otherwise we wait for the answer in vain
			}
		}
		conn, err := s.dial(ctx, nats.ErrorHandler(quiet))
		if err != nil {
			return nil, err
		}
		s.gauge = conn
	}
	return jetstream.New(s.gauge)
}

// refusal adds the error that a server sent unprompted.
func (s *Source) refusal(err error) error { return (&link{conn: s.gauge}).explain(err) }

// lettersIn returns how many messages of a subject are in the stream that captures it.
func lettersIn(ctx context.Context, js jetstream.JetStream, subject string) (int64, error) {
	name, err := js.StreamNameBySubject(ctx, subject)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return 0, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, err
	}
	return int64(info.State.Subjects[subject]), nil
}

// Attributes implements [ingest.Described]. There are no conventions for NATS.
func (*Source) Attributes(m ingest.Message) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("postrider.nats.subject", m.Topic)}
}
