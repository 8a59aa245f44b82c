package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// keepStart is called when we are about to read partitions, with where to begin in each. Those in which
// the group has committed nothing and is to begin at the end, it commits to the end as it is now.
// Otherwise a message that we receive and do not settle would not come again: for the next member too
// such a partition would begin at its end, behind the message.
func (s *Source) keepStart(ctx context.Context, begin map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	atEnd := kgo.NewOffset().AtEnd().EpochOffset().Offset
	fresh := map[partition]struct{}{}
	var topics []string
	for topic, partitions := range begin {
		before := len(fresh)
		for number, offset := range partitions {
			if offset.EpochOffset().Offset == atEnd {
				fresh[partition{topic, number}] = struct{}{}
			}
		}
		if len(fresh) > before {
			topics = append(topics, topic)
		}
	}
	if len(fresh) == 0 {
		return begin, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	client := s.member.current()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("look where partitions end: %w", err)
	}
	done := offsets{}
	for p := range fresh {
		end, found := ends.Lookup(p.topic, p.number)
		if !found || end.Err != nil {
			return nil, fmt.Errorf("look where topic %s, partition %d ends: %w", p.topic, p.number, end.Err)
		}
		done.set(p, kgo.EpochOffset{Epoch: end.LeaderEpoch, Offset: end.Offset})
		begin[p.topic][p.number] = kgo.NewOffset().At(end.Offset).WithEpoch(end.LeaderEpoch)
	}
	if err := errors.Join(commit(ctx, client, done)...); err != nil {
		return nil, fmt.Errorf("commit where partitions end: %w", err)
	}
	return begin, nil
}
