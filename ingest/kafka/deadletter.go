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

// The headers that say where a dead letter came from.
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

// origin is where a letter came from, as the log has it.
func (l letter) origin() string {
	return fmt.Sprintf("%s/%d/%d", l.of.Topic, l.of.Partition, l.of.Offset)
}

// whole is all that the message has. Its key counts as the start of its body.
func (l letter) whole() ingest.Letter {
	return ingest.Letter{Headers: len(l.of.Headers) > 0, Body: len(l.of.Key) + len(l.of.Value)}
}

// record is the dead letter as it is produced: what the message was, and what is to be said about it. Of
// a dead letter that was sent back to its topic and died again, only the last reason and place remain.
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

// putAside produces dead letters, and returns when all replicas that are in sync have them. Those that
// are at their place already, because something else of their batch had to be tried again, are left out.
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

// putTogether puts letters down in one go. The broker refuses one for another's sake if they share a
// partition, so that those which it refuses are put down one by one.
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

// putAlone puts a letter down with as much of its message as the topic takes. A topic that is compacted
// takes no record without a key; one of its own keeps the letter from replacing others there.
func (s *Source) putAlone(ctx context.Context, l letter) error {
	one := ingest.Settlement{Message: ingest.Message{Topic: l.of.Topic, Position: l.origin()}, Reason: l.reason}
	return ingest.PutAside(s.log, one, l.whole(), func(of ingest.Letter) error {
		record := l.record(s.config.DeadLetterTopic, of)
		err := s.produce(ctx, record)[0]
		if errors.Is(err, kerr.InvalidRecord) && record.Key == nil {
			record = l.record(s.config.DeadLetterTopic, of) // the client has written into the other one
			record.Key = []byte(l.origin())
			err = s.produce(ctx, record)[0]
		}
		if isRefusal(err) && !errors.Is(err, kerr.InvalidRecord) {
			return ingest.TooLargeError{Err: err}
		}
		return err
	})
}

// isRefusal reports whether an error is about what is in a letter, or beside it in its batch, and not
// about the topic. Topics in the format of before Kafka 0.11 take no headers.
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
			// It was deleted and made again. The client does not take the new one for the old by itself.
			s.member.client.PurgeTopicsFromProducing(topic)
		}
		errs[slices.Index(records, result.Record)] = fmt.Errorf("dead_letter_topic: produce to %s: %w", topic, result.Err)
	}
	return errs
}
