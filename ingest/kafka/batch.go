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

// batch is the result of fetching from the brokers: messages, and problems of some partitions.
type batch struct {
	places   *places
	topics   map[string]note // what commits of the messages must say about their topics
	messages []ingest.Message
	bytes    int

	problems []error            // why some messages could not be fetched
	losses   []*kgo.ErrDataLoss // partitions whose brokers have lost messages that we have read
	gaps     []gap              // partitions that do not continue where we were to read them
	remade   []string           // topics that are not the ones we know by these names
}

// take adds fetched messages, except those of stalled partitions, and reports whether there were any.
func (b *batch) take(client *kgo.Client, s *stalls, fetches kgo.Fetches) (found bool) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if p.Err != nil && !s.take(client, partition{p.Topic, p.Partition}, p.Err, len(p.Records)) {
			b.fail(p.Topic, p.Partition, p.Err)
		}
	})
	for _, fetch := range fetches {
		for _, topic := range fetch.Topics {
			for _, p := range topic.Partitions {
				if len(p.Records) > 0 && b.is(topic) {
					b.add(topic, p)
					if p.Err == nil {
						s.over(partition{topic.Topic, p.Partition})
					}
					found = true
				}
			}
		}
	}
	return found
}

// is reports whether a fetch is of the topic that we began to read. It is not if a broker that had not learned about
// the new topic described the old one to us, whose offsets we then trusted.
func (b *batch) is(topic kgo.FetchTopic) bool {
	if _, checked := b.topics[topic.Topic]; checked {
		return true
	}
	begun, fetched := b.places.topic(topic.Topic), topicID(topic.TopicID)
	if fetched == (topicID{}) {
		fetched = begun.id // brokers before Kafka 3.1 serve topics by name
	}
	if !begun.begun || begun.id.differs(fetched) {
		b.remake(topic.Topic)
		return false
	}
	b.topics[topic.Topic] = note{id: fetched, cluster: begun.cluster, late: begun.late}
	return true
}

func (b *batch) add(topic kgo.FetchTopic, p kgo.FetchPartition) {
	if g, is := b.places.read(topic.Topic, p); is {
		b.gaps = append(b.gaps, g)
	}
	for _, record := range p.Records {
		b.messages = append(b.messages, message(topic.TopicID, record))
		b.bytes += size(record)
	}
}

func (b *batch) remake(topic string) {
	if !slices.Contains(b.remade, topic) {
		b.remade = append(b.remade, topic)
	}
}

// fail classifies an error that the client returns instead of messages.
func (b *batch) fail(topic string, number int32, err error) {
	loss, lost := errors.AsType[*kgo.ErrDataLoss](err)
	_, group := errors.AsType[*kgo.ErrGroupSession](err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case lost:
		b.losses = append(b.losses, loss)
		b.places.moved(loss)
	case group && errors.Is(err, kerr.InconsistentGroupProtocol):
		b.problems = append(b.problems, fmt.Errorf("group: its members are of another kind, or share partitions by "+
			"another protocol than %s; name another group, or stop them: %w", balancer.ProtocolName(), err))
	case group:
		b.problems = append(b.problems, fmt.Errorf("group: %w", err))
	case ended && topic == "": // the wait is over
	case errors.Is(err, kerr.UnknownTopicID):
		b.remake(topic)
	default:
		b.problems = append(b.problems, fmt.Errorf("topic %s, partition %d: %w", topic, number, err))
	}
}

// size returns the size of a record, headers included.
func size(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// message converts a record to a message. A recreated topic begins with offset 0 again, so the position contains the
// topic's id. Brokers before Kafka 3.1 do not report that id.
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
