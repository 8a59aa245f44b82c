package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// Headers that say where a dead letter came from.
const (
	topicHeader     = "postrider-topic"
	partitionHeader = "postrider-partition"
	offsetHeader    = "postrider-offset"
)

const (
	// lettersBytes is the total size of dead letters that are produced together: half of the 1 MB that a topic
	// accepts at once by default. A larger letter is produced alone.
	lettersBytes = 500_000
	// letterMost is the client's limit. The topic limits how large a dead letter may actually be.
	letterMost = 64 << 20
)

// letter is a dead letter being assembled.
type letter struct {
	of     *kgo.Record
	reason string
}

// origin says where a letter came from, for the log.
func (l letter) origin() string {
	return fmt.Sprintf("%s/%d/%d", l.of.Topic, l.of.Partition, l.of.Offset)
}

// whole describes the complete message. Its key counts as the start of its body.
func (l letter) whole() ingest.Letter {
	return ingest.Letter{Headers: len(l.of.Headers) > 0, Body: len(l.of.Key) + len(l.of.Value)}
}

// record returns the dead letter to produce: the message and our headers. If a dead letter was sent back to its topic
// and failed again, it keeps only the last reason and origin.
func (l letter) record(topic string, of ingest.Letter) *kgo.Record {
	key := l.of.Key[:min(len(l.of.Key), of.Body)]
	letter := &kgo.Record{Topic: topic, Key: key, Value: l.of.Value[:of.Body-len(key)]}
	about := maps.Clone(of.About)
	if about != nil {
		about[topicHeader] = l.of.Topic
		about[partitionHeader], about[offsetHeader] = fmt.Sprint(l.of.Partition), fmt.Sprint(l.of.Offset)
	}
	for _, h := range l.of.Headers {
		if _, ours := about[h.Key]; of.Headers && !ours {
			letter.Headers = append(letter.Headers, h)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(about)) {
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: name, Value: []byte(about[name])})
	}
	return letter
}

// putAside produces dead letters, and returns when all in-sync replicas have stored them. It skips letters stored
// before, when something else of their batch had to be retried.
func (s *Source) putAside(ctx context.Context, letters []letter) error {
	letters = slices.DeleteFunc(letters, func(l letter) bool {
		_, known := s.aside[l.of]
		return known
	})
	for len(letters) > 0 {
		n := together(letters)
		if err := s.putTogether(ctx, letters[:n]); err != nil {
			return err
		}
		letters = letters[n:]
	}
	return nil
}

// together returns how many of the letters are produced at once, at least one.
func together(letters []letter) int {
	bytes := 0
	for i, l := range letters {
		if bytes += size(l.of) + len(l.reason); bytes > lettersBytes && i > 0 {
			return i
		}
	}
	return len(letters)
}

// putTogether produces letters at once. Letters for the same partition share a batch, and the broker may refuse one
// because of another, so those that it refuses are produced one by one.
func (s *Source) putTogether(ctx context.Context, letters []letter) (failure error) {
	records := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		whole := l.whole()
		whole.About = map[string]string{ingest.ReasonHeader: ingest.CutReason(l.reason)}
		records[i] = l.record(s.config.DeadLetterTopic, whole)
	}
	for i, err := range s.produce(ctx, records...) {
		if isRefusal(err) && failure == nil {
			err = s.putAlone(ctx, letters[i])
		}
		if err == nil {
			s.aside[letters[i].of] = struct{}{}
		}
		failure = cmp.Or(failure, err)
	}
	return failure
}

// putAlone produces a letter with as much of its message as the topic accepts. A compacted topic accepts no record
// without a key; a unique key keeps the letter from replacing others there.
func (s *Source) putAlone(ctx context.Context, l letter) error {
	one := ingest.Settlement{Message: ingest.Message{Topic: l.of.Topic, Position: l.origin()}, Reason: l.reason}
	return ingest.PutAside(s.log, one, l.whole(), func(of ingest.Letter) error {
		record := l.record(s.config.DeadLetterTopic, of)
		err := s.produce(ctx, record)[0]
		if errors.Is(err, kerr.InvalidRecord) && record.Key == nil {
			record = l.record(s.config.DeadLetterTopic, of) // the client has modified the other one
			record.Key = []byte(l.origin())
			err = s.produce(ctx, record)[0]
		}
		if isRefusal(err) && !errors.Is(err, kerr.InvalidRecord) {
			return ingest.TooLargeError{Err: err}
		}
		return err
	})
}

// isRefusal reports whether an error is about the content of a letter or of its batch, and not about the topic.
// Topics in the format of before Kafka 0.11 do not accept headers.
func isRefusal(err error) bool {
	return slices.ContainsFunc([]error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.UnsupportedForMessageFormat,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// produce returns an error or nil for each record.
func (s *Source) produce(ctx context.Context, records ...*kgo.Record) []error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	topic := s.config.DeadLetterTopic
	errs := make([]error, len(records))
	for _, result := range s.member.client.ProduceSync(ctx, records...) {
		if result.Err == nil {
			continue
		}
		if errors.Is(result.Err, kerr.UnknownTopicID) {
			// The topic was deleted and recreated. The client does not replace the old one by itself.
			s.member.client.PurgeTopicsFromProducing(topic)
		}
		errs[slices.Index(records, result.Record)] = fmt.Errorf("dead_letter_topic: produce to %s: %w", topic, result.Err)
	}
	return errs
}
