package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

const (
	// pollWait is how long no messages may arrive before we ask the brokers whether they are up: the client retries
	// forever and reports nothing.
	pollWait = 5 * time.Second

	// A batch is full at batchBytes. It is fetched in steps of a few messages, because the client only counts
	// messages: with messages of 1 MB, Kafka's default limit, a batch has at most 16 MB.
	batchBytes = 8 << 20
	pollStep   = 8
)

// Receive waits for messages. Their partitions stay assigned to this consumer until the next Receive.
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	if err := s.connect(); err != nil {
		return nil, err
	}
	client := s.member.client
	client.AllowRebalance()
	for {
		s.readAnew(client)
		messages, err := s.take(ctx, client)
		if len(messages) > 0 {
			return messages, nil
		}
		client.AllowRebalance() // an empty poll holds partitions too
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
}

// take waits a while for messages. If none arrive, it returns what is wrong, if anything.
func (s *Source) take(ctx context.Context, client *kgo.Client) ([]ingest.Message, error) {
	waiting, cancel := context.WithTimeout(ctx, s.poll)
	defer cancel()
	b := batch{places: s.places, topics: map[string]note{}}
	b.take(client, s.stalls, client.PollRecords(waiting, pollStep))
	if len(b.messages) > 0 {
		s.member.received()
		clear(s.aside)
		s.topics = b.topics
		s.extended = 0
		for more := true; more && len(b.messages) < ingest.BatchMost && b.bytes < batchBytes; {
			most := min(pollStep, ingest.BatchMost-len(b.messages))
			more = b.take(client, s.stalls, client.PollRecords(nil, most)) //nolint:staticcheck // nil: what is there, without waiting
		}
	}
	s.warn(b)
	for _, topic := range b.remade {
		s.remake(topic)
	}
	s.stalls.say(s.config.Group, func(p partition) int64 { return standing(client, p) })
	switch {
	case len(b.messages) > 0:
		for _, problem := range b.problems {
			s.log.Warn("partition read failed; other partitions continue", "group", s.config.Group, "error", problem)
		}
		return b.messages, nil
	case len(b.remade) == 0 && waiting.Err() != nil && ctx.Err() == nil:
		b.problems = append(b.problems, s.probe(ctx, client))
	}
	return nil, errors.Join(b.problems...)
}

// standing returns the offset up to which a partition is read; -1: unknown.
func standing(client *kgo.Client, p partition) int64 {
	if at, known := client.CommittedOffsets()[p.topic][p.number]; known {
		return at.Offset
	}
	return -1
}

// probe returns an error if no broker or none of the topics is available. If only some topics are, those continue.
func (s *Source) probe(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.ping(ctx, client); err != nil {
		return err
	}
	found, err := describe(ctx, client, s.config.Topics)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	refused := map[string]error{}
	for _, topic := range found.Topics {
		if err := refusal(topic, kadm.OpRead); err != nil {
			refused[nameOf(topic)] = fmt.Errorf("topics: %w", err)
		}
	}
	if len(refused) == len(found.Topics) {
		return errors.Join(slices.Collect(maps.Values(refused))...)
	}
	for topic, err := range refused {
		s.stalls.note(partition{topic, wholeTopic}, err, false)
	}
	return nil
}

// warn logs messages that were skipped, or may have been, once for each partition and occurrence.
func (s *Source) warn(b batch) {
	log := s.log.With("group", s.config.Group)
	for _, loss := range b.losses {
		log.Warn("brokers lost messages already read; reading resumes where their log diverges",
			"topic", loss.Topic, "partition", loss.Partition, "read_to_offset", loss.ConsumedTo, "offset", loss.ResetTo)
	}
	for _, g := range b.gaps {
		log := log.With("topic", g.topic, "partition", g.number, "due_offset", g.due, "offset", g.found)
		if g.missed > 0 {
			log.Warn("messages deleted before they were read; reading resumes at the first one left",
				"missed", g.missed)
			continue
		}
		log.Warn("committed offset past the end of the partition; reading resumes earlier and may repeat messages")
	}
}

// remake is called with a topic that is not the one we have begun to read.
func (s *Source) remake(topic string) {
	if !slices.Contains(s.remade, topic) {
		s.remade = append(s.remade, topic)
	}
}

// readAnew makes the client forget topics and find the ones with the same names: those that were deleted, and those of
// which it has given up partitions. No message of them may be in hand.
func (s *Source) readAnew(client *kgo.Client) {
	dropped := s.member.takeDropped()
	again := slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.remade, dropped))))
	if len(again) == 0 {
		return
	}
	if len(s.remade) > 0 {
		s.log.Warn("topics deleted; topics recreated under their names are read from the start", "topics", s.remade)
	}
	if len(dropped) > 0 {
		s.log.Warn("offsets unknown; partitions requested again", "group", s.config.Group, "topics", dropped)
	}
	client.PurgeTopicsFromConsuming(again...)
	client.AddConsumeTopics(again...)
	s.stalls.remade(again)
	s.remade = nil
}
