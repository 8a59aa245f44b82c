package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

// Settle stores the dead letters and then commits the offset of each partition, up to the first message to retry; the
// partition is read again from there.
func (s *Source) Settle(ctx context.Context, settlements []ingest.Settlement) error {
	p := s.plan(settlements)
	if err := s.putAside(ctx, p.letters); err != nil {
		return err
	}
	if err := s.commit(ctx, p.done); err != nil {
		return err
	}
	s.member.client.SetOffsets(p.again)
	s.places.back(p.again)
	return nil
}

// offsets are positions in partitions, by topic and number.
type offsets map[string]map[int32]kgo.EpochOffset

func (o offsets) set(p partition, to kgo.EpochOffset) {
	if o[p.topic] == nil {
		o[p.topic] = map[int32]kgo.EpochOffset{}
	}
	o[p.topic][p.number] = to
}

func (o offsets) has(p partition) bool {
	_, has := o[p.topic][p.number]
	return has
}

// plan is the work needed to settle a batch.
type plan struct {
	letters []letter
	done    offsets // the end of the messages that are done
	again   offsets // where to read again
}

func (s *Source) plan(settlements []ingest.Settlement) plan {
	p := plan{done: offsets{}, again: offsets{}}
	for _, settlement := range settlements {
		r, ok := settlement.Message.Handle.(*kgo.Record)
		if !ok {
			continue // not one of this source's messages
		}
		from := partition{r.Topic, r.Partition}
		if p.again.has(from) || !s.member.has(from) {
			continue // it is redelivered, to us or to another member
		}
		if settlement.Verdict == ingest.Retry {
			p.again.set(from, kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset})
			continue
		}
		if settlement.Verdict == ingest.DeadLetter {
			p.letters = append(p.letters, letter{of: r, reason: settlement.Reason})
		}
		p.done.set(from, kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1})
	}
	return p
}

// commit commits how far partitions are read. If a commit is refused because the partitions belong to another member
// or their topic is gone, no commit of ours is needed.
func (s *Source) commit(ctx context.Context, done offsets) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ctx = kgo.PreCommitFnContext(ctx, s.restrict)
	var problems []error
	for _, err := range commit(ctx, s.member.client, done) {
		if refused, ok := errors.AsType[commitError](err); ok && errors.Is(err, kerr.UnknownTopicID) {
			s.remake(refused.topic)
		}
		if isOthers(err) {
			s.log.Info("commit refused; partition reassigned or topic deleted, messages may be redelivered",
				"group", s.config.Group, "error", err)
			continue
		}
		problems = append(problems, fmt.Errorf("commit: %w", err))
	}
	return errors.Join(problems...)
}

// restrict removes partitions from a commit that are not ours or belong to recreated topics, and adds notes about its
// topics.
func (s *Source) restrict(commit *kmsg.OffsetCommitRequest) error {
	if err := s.member.restrict(commit); err != nil {
		return err
	}
	commit.Topics = slices.DeleteFunc(commit.Topics, func(topic kmsg.OffsetCommitRequestTopic) bool {
		return s.places.topic(topic.Topic).differs(s.topics[topic.Topic])
	})
	annotate(commit, s.topics)
	return nil
}

// isOthers reports whether a commit was refused because the partition is not ours.
func isOthers(err error) bool {
	for _, refusal := range []error{
		errOthers, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress,
		kerr.UnknownTopicID, kerr.UnknownTopicOrPartition,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// commitError is the error of a partition whose offset is not committed.
type commitError struct {
	partition
	err error
}

func (r commitError) Error() string {
	return fmt.Sprintf("topic %s, partition %d: %v", r.topic, r.number, r.err)
}
func (r commitError) Unwrap() error { return r.err }

// commit commits offsets, and returns the errors of the partitions.
func commit(ctx context.Context, client *kgo.Client, done offsets) (problems []error) {
	client.CommitOffsetsSync(ctx, done,
		func(_ *kgo.Client, asked *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				problems = []error{err}
				return
			}
			for _, topic := range answer.Topics {
				for _, p := range topic.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						problems = append(problems, commitError{partition{name(topic, asked), p.Partition}, err})
					}
				}
			}
		})
	return problems
}

// name returns the name of a topic in the response to a commit, which contains only its id since Kafka 4.2.
func name(topic kmsg.OffsetCommitResponseTopic, asked *kmsg.OffsetCommitRequest) string {
	for _, one := range asked.Topics {
		if topic.Topic == "" && one.TopicID == topic.TopicID {
			return one.Topic
		}
	}
	return topic.Topic
}
