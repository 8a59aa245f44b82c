package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// batch is what has come from the brokers: messages, and what is wrong with some partitions.
type batch struct {
	messages []ingest.Message
	bytes    int

	problems []error  // why some do not come
	losses   []error  // what has happened to the log of a partition, which is read on
	remade   []string // topics that are not the ones we know by these names
}

// take adds what was fetched, but for the partitions that stall, and reports whether messages were among it.
func (b *batch) take(client *kgo.Client, s *stalls, fetches kgo.Fetches) (found bool) {
	for _, fetch := range fetches {
		for _, topic := range fetch.Topics {
			for _, p := range topic.Partitions {
				at := partition{topic.Topic, p.Partition}
				if p.Err != nil && !s.take(client, at, p.Err, len(p.Records)) {
					b.fail(topic.Topic, p.Partition, p.Err)
				}
				if p.Err == nil && len(p.Records) > 0 {
					s.over(at)
				}
				for _, record := range p.Records {
					b.messages = append(b.messages, message(topic.TopicID, record))
					b.bytes += size(record)
					found = true
				}
			}
		}
	}
	return found
}

// fail sorts what the client says instead of messages.
func (b *batch) fail(topic string, number int32, err error) {
	_, lost := errors.AsType[*kgo.ErrDataLoss](err)
	_, group := errors.AsType[*kgo.ErrGroupSession](err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case lost:
		b.losses = append(b.losses, err)
	case group && errors.Is(err, kerr.InconsistentGroupProtocol):
		b.problems = append(b.problems, fmt.Errorf("group: its members are of another kind, or share partitions by "+
			"another protocol than %s; name another group, or stop them: %w", balancer.ProtocolName(), err))
	case group:
		b.problems = append(b.problems, fmt.Errorf("group: %w", err))
	case ended && topic == "": // the wait is over
	case errors.Is(err, kerr.UnknownTopicID):
		if !slices.Contains(b.remade, topic) {
			b.remade = append(b.remade, topic)
		}
	default:
		b.problems = append(b.problems, fmt.Errorf("topic %s, partition %d: %w", topic, number, err))
	}
}

// size is what a record takes, headers included.
func size(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// message is a record as a message. A topic that is deleted and made again begins with offset 0 again, so
// that its position names the topic by its id. Brokers before Kafka 3.1 do not tell that.
func message(topicID [16]byte, r *kgo.Record) ingest.Message {
	topic := r.Topic
	if topicID != [16]byte{} {
		topic = hex.EncodeToString(topicID[:])
	}
	m := ingest.Message{
		Topic: r.Topic, Key: string(r.Key), Body: r.Value,
		Position: fmt.Sprintf("%s/%d/%d", topic, r.Partition, r.Offset), Handle: r,
	}
	if len(r.Headers) > 0 {
		m.Headers = make(ingest.Headers, len(r.Headers))
	}
	for _, h := range r.Headers {
		m.Headers[h.Key] = string(h.Value)
	}
	return m
}
