package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"

	"github.com/postrider/postrider/ingest"
)

// gauge is a client that asks how many messages there are. It joins no group.
type gauge struct {
	client *kgo.Client
	cut    context.CancelFunc // cancels everything the client waits for
}

// Depth returns the lag of the group in all partitions, whoever reads them, and how many records the dead letter topic
// retains. Both count the markers at the end of transactions, as Kafka's own tools do.
func (s *Source) Depth(ctx context.Context) (d ingest.Depth, err error) {
	d = ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}
	if s.gauge == nil {
		life, cut := context.WithCancel(context.Background())
		client, err := kgo.NewClient(append(slices.Clone(s.options), kgo.WithContext(life))...)
		if err != nil {
			cut()
			return d, err
		}
		s.gauge = &gauge{client, cut}
	}
	// The client does not heed every context while it dials.
	stop := context.AfterFunc(ctx, s.gauge.cut)
	defer func() {
		if stop(); err != nil {
			s.closeGauge()
		}
	}()
	spans, err := s.spans(ctx, s.gauge.client)
	if err == nil {
		d.Lag = 0
		for _, span := range spans {
			d.Lag += span.end - span.from
		}
	}
	letters, lettersErr := retained(ctx, s.gauge.client, s.config.DeadLetterTopic)
	if lettersErr == nil {
		d.DeadLetters = letters
	}
	return d, errors.Join(err, lettersErr)
}

func (s *Source) closeGauge() {
	if s.gauge != nil {
		s.gauge.cut()
		s.gauge.client.Close()
		s.gauge = nil
	}
}

// retained returns how many records a topic has.
func retained(ctx context.Context, client *kgo.Client, topic string) (n int64, err error) {
	brokers := kadm.NewClient(client)
	starts, err := brokers.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("dead_letter_topic: ask where partitions start: %w", err)
	}
	ends, err := brokers.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("dead_letter_topic: ask where partitions end: %w", err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		n += max(0, end.Offset-start.Offset)
	})
	return n, nil
}

// span is what is unread of a partition: from an offset to the end.
type span struct{ from, end int64 }

// errGroup means that the group does not tell what it has committed, and will not.
var errGroup = errors.New("group: it cannot be asked where it is")

// spans returns what the group has not read, for the partitions with unread messages.
func (s *Source) spans(ctx context.Context, client *kgo.Client) (map[partition]span, error) {
	brokers, topics := kadm.NewClient(client), slices.Clone(s.config.Topics) // the library sorts them
	committed, err := brokers.FetchOffsetsForTopics(ctx, s.config.Group, topics...)
	switch {
	case passes(err):
		return nil, fmt.Errorf("group: ask where %s is: %w", s.config.Group, err)
	case err != nil && !errors.Is(err, kerr.GroupIDNotFound): // without a group there are no offsets yet
		return nil, fmt.Errorf("%w: %w", errGroup, err)
	}
	starts, err := brokers.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("topics: ask where partitions start: %w", err)
	}
	ends, err := brokers.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("topics: ask where partitions end: %w", err)
	}
	spans := map[partition]span{}
	var problems []error
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		if err := errors.Join(start.Err, end.Err); err != nil {
			problems = append(problems, fmt.Errorf("topics: %s, partition %d: %w", end.Topic, end.Partition, err))
			return
		}
		at, known := committed.Lookup(end.Topic, end.Partition)
		offset := max(at.At, start.Offset)
		if !known || at.At < 0 {
			if s.config.Start == latest {
				return
			}
			offset = start.Offset
		}
		if offset < end.Offset {
			spans[partition{end.Topic, end.Partition}] = span{offset, end.Offset}
		}
	})
	return spans, some(problems)
}

// Attributes implements [ingest.Described].
func (*Source) Attributes(m ingest.Message) []attribute.KeyValue {
	record, ok := m.Handle.(*kgo.Record)
	if !ok {
		return nil
	}
	return []attribute.KeyValue{
		attribute.String("messaging.destination.partition.id", strconv.Itoa(int(record.Partition))),
		attribute.Int64("messaging.kafka.offset", record.Offset),
	}
}
