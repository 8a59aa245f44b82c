package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// The headers that tell where a dead letter came from, beside [ingest.ReasonHeader].
const (
	topicHeader     = "postrider-topic"
	partitionHeader = "postrider-partition"
	offsetHeader    = "postrider-offset"
)

const (
	// lettersBytes is what dead letters that are produced together take: half of the 1 MB that a topic
	// takes at once by default. One that is larger goes alone.
	lettersBytes = 500_000
	// letterMost is what the client lets pass. How large a dead letter may really be, its topic says.
	letterMost = 64 << 20
)

// letter is a dead letter in the making.
type letter struct {
	of     *kgo.Record
	reason string
}

// record is the dead letter as it is produced: what the message was, and what is to be said about it. Of
// a dead letter that was sent back to its topic and died again, only the last reason and place remain.
func (l letter) record(topic string) *kgo.Record {
	about := []kgo.RecordHeader{
		{Key: ingest.ReasonHeader, Value: []byte(l.reason)},
		{Key: topicHeader, Value: []byte(l.of.Topic)},
		{Key: partitionHeader, Value: strconv.AppendInt(nil, int64(l.of.Partition), 10)},
		{Key: offsetHeader, Value: strconv.AppendInt(nil, l.of.Offset, 10)},
	}
	headers := slices.DeleteFunc(slices.Clone(l.of.Headers), func(h kgo.RecordHeader) bool {
		return slices.ContainsFunc(about, func(a kgo.RecordHeader) bool { return a.Key == h.Key })
	})
	return &kgo.Record{Topic: topic, Key: l.of.Key, Value: l.of.Value, Headers: append(headers, about...)}
}

// putAside produces dead letters, and returns when all replicas that are in sync have them. Those that
// are at their place already, because something else of their batch had to be tried again, are left out.
func (s *Source) putAside(ctx context.Context, letters []letter) error {
	letters = slices.DeleteFunc(letters, func(l letter) bool {
		_, known := s.aside[l.of]
		return known
	})
	for len(letters) > 0 {
		n := together(letters)
		if err := s.produce(ctx, letters[:n]); err != nil {
			return err
		}
		for _, l := range letters[:n] {
			s.aside[l.of] = struct{}{}
		}
		letters = letters[n:]
	}
	return nil
}

// together is how many of the letters are produced in one go, which is one at least.
func together(letters []letter) int {
	bytes := 0
	for i, l := range letters {
		if bytes += size(l.of) + len(l.reason); bytes > lettersBytes && i > 0 {
			return i
		}
	}
	return len(letters)
}

func (s *Source) produce(ctx context.Context, letters []letter) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	topic := s.config.DeadLetterTopic
	records := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		records[i] = l.record(topic)
	}
	err := s.member.client.ProduceSync(ctx, records...).FirstErr()
	if errors.Is(err, kerr.UnknownTopicID) {
		// It was deleted and made again. The client does not take the new one for the old by itself.
		s.member.client.PurgeTopicsFromProducing(topic)
	}
	if err != nil {
		return fmt.Errorf("dead_letter_topic: produce to %s: %w", topic, err)
	}
	return nil
}
