package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// begin is called before partitions are read, with the offsets where the client would begin: those that the group has
// committed or, without one, where the configuration says. It returns the offsets where to begin.
func (s *Source) begin(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// A topic of which the client has given up all partitions is not begun: if it was recreated, we must not know that yet.
	maps.DeleteFunc(at, func(_ string, of map[int32]kgo.Offset) bool { return len(of) == 0 })
	topics, err := s.look(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		if err := s.beginTopic(ctx, topic, at[topic.name]); err != nil {
			return nil, fmt.Errorf("begin to read topic %s: %w", topic.name, err)
		}
	}
	s.places.begin(at)
	if dropped := s.member.begun(at); len(dropped) > 0 {
		// The problem may last, and each time the members share the partitions anew.
		time.AfterFunc(s.givenUp, func() { s.member.drop(dropped) })
	}
	return at, nil
}

// topic is a topic whose partitions are about to be read.
type topic struct {
	name       string
	partitions int32
	err        error // why the brokers do not describe it

	note     note           // what its commits must say
	remade   bool           // not the topic that we have read under its name before
	known    bool           // the group has committed something in it, or in another topic of its name
	believed map[int32]bool // by partition with a committed offset: whether that offset is of this topic
}

// look gets topics from the brokers, and the offsets that the group has committed in them.
func (s *Source) look(ctx context.Context, at map[string]map[int32]kgo.Offset) (topics []topic, err error) {
	if len(at) == 0 {
		return nil, nil
	}
	client := s.member.current()
	found, err := describe(ctx, client, slices.Collect(maps.Keys(at)))
	if err != nil {
		return nil, err
	}
	committed, err := kadm.NewClient(client).FetchOffsets(ctx, s.config.Group)
	if err != nil {
		return nil, fmt.Errorf("look at what is committed: %w", err)
	}
	for _, one := range found.Topics {
		if one.Topic != nil {
			topics = append(topics, s.topic(noteOf(found, one), one, committed[*one.Topic]))
		}
	}
	return topics, nil
}

func noteOf(found *kmsg.MetadataResponse, topic kmsg.MetadataResponseTopic) note {
	n := note{id: topic.TopicID}
	if found.ClusterID != nil {
		n.cluster = *found.ClusterID
	}
	return n
}

// assigned is called when the group has assigned partitions, even if none of them is new to us. A member remembers a
// topic even if it has no partitions of it: if the topic is recreated, and we then get partitions of it, it is not
// new to the group. If a broker does not answer now, the next assignment asks again.
func (s *Source) assigned(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
	s.member.assigned(ctx, client, partitions)
	names := slices.DeleteFunc(slices.Clone(s.config.Topics), func(name string) bool {
		return s.places.topic(name) != known{}
	})
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := describe(ctx, client, names)
	if err != nil {
		return
	}
	for _, one := range found.Topics {
		if one.Topic != nil && one.ErrorCode == 0 {
			s.places.hear(*one.Topic, noteOf(found, one))
		}
	}
}

// topic combines what is known about a topic.
func (s *Source) topic(now note, found kmsg.MetadataResponseTopic, committed map[int32]kadm.OffsetResponse) topic {
	t := topic{
		name: *found.Topic, partitions: int32(len(found.Partitions)), err: kerr.ErrorForCode(found.ErrorCode),
		note: now, believed: map[int32]bool{},
	}
	t.remade = s.places.topic(t.name).differs(now)
	for number, commit := range committed {
		if commit.At < 0 {
			continue
		}
		said, _ := readNote(commit.Metadata)
		// If the topic was recreated since we read it, only offsets that name it explicitly are trusted.
		t.believed[number] = said.id == now.id || !t.remade && !said.differs(now)
		if t.believed[number] {
			t.note.late = max(t.note.late, said.late)
		}
	}
	t.known = t.remade || len(t.believed) > 0
	if !t.known && s.config.Start == latest {
		t.note.late = t.partitions
	}
	return t
}

// beginTopic sets where to begin in partitions of a topic.
//
//   - If an offset of this topic is committed, reading continues there.
//   - A recreated topic is read from offset 0, even with start: latest, because the group has known the topic since
//     before its first message. That offset is committed, so that the next member need not find out, and a member of
//     the previous release, which cannot find out, is not misled.
//   - A topic that is new to the group begins where the configuration says. If that is the end, the current end is
//     committed. Otherwise a message that we receive and do not settle would not be redelivered: the next member
//     would begin at the end of the partition too, after the message.
//   - A partition that is new in a topic which the group knows begins at its start. So do the partitions of a topic
//     that is being deleted just now.
func (s *Source) beginTopic(ctx context.Context, t topic, at map[int32]kgo.Offset) error {
	done, ends := offsets{}, map[int32]struct{}{}
	for number := range at {
		believed, committed := t.believed[number]
		switch {
		case committed && !believed, !committed && t.remade:
			at[number] = kgo.NewOffset().At(0)
			if number < t.partitions { // otherwise it has fewer than the group expects
				done.set(partition{t.name, number}, kgo.EpochOffset{Epoch: -1})
			}
		case committed, s.config.Start != latest:
		case errors.Is(t.err, kerr.UnknownTopicOrPartition), t.known && number >= t.note.late:
			at[number] = kgo.NewOffset().AtStart()
		default:
			ends[number] = struct{}{}
		}
	}
	if err := s.beginAtEnds(ctx, t.name, ends, at, done); err != nil {
		return err
	}
	return s.keepBegin(ctx, t, done)
}

// beginAtEnds makes partitions begin at their current ends.
func (s *Source) beginAtEnds(
	ctx context.Context, topic string, numbers map[int32]struct{}, at map[int32]kgo.Offset, done offsets,
) error {
	if len(numbers) == 0 {
		return nil
	}
	ends, err := kadm.NewClient(s.member.current()).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("look where partitions end: %w", err)
	}
	for number := range numbers {
		end, found := ends.Lookup(topic, number)
		if !found || end.Err != nil {
			return fmt.Errorf("look where partition %d ends: %w", number, end.Err)
		}
		done.set(partition{topic, number}, kgo.EpochOffset{Epoch: end.LeaderEpoch, Offset: end.Offset})
		at[number] = kgo.NewOffset().At(end.Offset).WithEpoch(end.LeaderEpoch)
	}
	return nil
}

// keepBegin commits where we begin, and stores what is known of the topic. A client that has not yet forgotten the
// previous topic refuses the commit; it then reads the topic anew, which leads back here.
func (s *Source) keepBegin(ctx context.Context, t topic, done offsets) error {
	if len(done) > 0 {
		ctx = kgo.PreCommitFnContext(ctx, func(commit *kmsg.OffsetCommitRequest) error {
			annotate(commit, map[string]note{t.name: t.note})
			return nil
		})
		err := errors.Join(commit(ctx, s.member.current(), done)...)
		if errors.Is(err, kerr.UnknownTopicID) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("commit where to begin: %w", err)
		}
	}
	if t.err != nil {
		t.note.id = s.places.topic(t.name).id
	}
	s.places.know(t.name, known{note: t.note, begun: t.err == nil})
	return nil
}
