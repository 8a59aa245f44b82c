package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// checkConsumer returns everything that is wrong with an existing consumer.
func (s *Source) checkConsumer(c jetstream.ConsumerConfig) error {
	var errs []error
	wants := func(well bool, format string, args ...any) {
		if !well {
			errs = append(errs, fmt.Errorf("consumer: %s %s", s.config.Consumer, fmt.Sprintf(format, args...)))
		}
	}
	wants(c.AckPolicy == jetstream.AckExplicitPolicy, "has the acknowledgement policy %s, and needs explicit", c.AckPolicy)
	wants(c.MaxDeliver <= 0, "gives a message up after %d deliveries; it needs max_deliver -1, or messages are lost", c.MaxDeliver)
	wants(!c.HeadersOnly, "hands out headers only")
	wants(c.PriorityPolicy == jetstream.PriorityPolicyNone, "has a priority policy, which only clients of its kind can pull from")
	wants(shortestWait(c) >= s.config.ackWaitLeast, "waits %s for an acknowledgement, and has to wait for %s at least", shortestWait(c), s.config.ackWaitLeast)
	wants(sameSet(filters(c), s.config.Subjects), "takes %s, and subjects says %s", listed(filters(c)), listed(s.config.Subjects))
	return errors.Join(errs...)
}

func listed(filters []string) string {
	if len(filters) == 0 {
		return "all"
	}
	return strings.Join(filters, ", ")
}

func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// With a back-off, a server waits for each delivery as long as the back-off says instead of AckWait.
func waits(c jetstream.ConsumerConfig) []time.Duration {
	if len(c.BackOff) > 0 {
		return c.BackOff
	}
	return []time.Duration{c.AckWait}
}

func shortestWait(c jetstream.ConsumerConfig) time.Duration { return slices.Min(waits(c)) }
func longestWait(c jetstream.ConsumerConfig) time.Duration  { return slices.Max(waits(c)) }

// checkDeadLetters returns an error unless a stream captures the dead letters and this consumer does not receive
// them.
func (s *Source) checkDeadLetters(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	subject := s.config.DeadLetterSubject
	stream, err := l.js.StreamNameBySubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("dead_letter_subject: no stream captures %s", subject)
	case err != nil:
		return fmt.Errorf("dead_letter_subject: %w", l.explain(err))
	case stream == s.config.Stream && takes(s.config.Subjects, subject):
		return fmt.Errorf("dead_letter_subject: %s is taken by this consumer again, as the stream %s captures it", subject, stream)
	}
	return nil
}
