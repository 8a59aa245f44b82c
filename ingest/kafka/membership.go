package kafka

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partition is a partition of a topic.
type partition struct {
	topic  string
	number int32
}

// membership is our place in the group, and what we may commit. The group takes partitions away between
// batches only, when nothing of them is open, unless we hold a batch for too long: then it is let, and
// if we are slower even than that, it puts us out. A commit names the member and its generation, but not
// the partitions that are the member's, and Kafka believes it. So it is up to us to commit nothing for
// partitions that are another member's by now, whose offsets would jump.
type membership struct {
	mu     sync.Mutex
	client *kgo.Client
	id     string                 // of the member that the partitions were assigned to
	lost   map[partition]struct{} // what was taken away since the last batch was received
}

// join makes a client, whose callbacks may come at once.
func (m *membership) join(options ...kgo.Opt) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	client, err := kgo.NewClient(options...)
	if err == nil {
		m.client = client
	}
	return err
}

// current is the client, for who may be called before join has returned.
func (m *membership) current() *kgo.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client
}

// assigned is called when the group has assigned partitions, after all that it took away is gone.
func (m *membership) assigned(_ context.Context, client *kgo.Client, _ map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, _ = client.GroupMetadata()
}

// gone is called when partitions are taken away. Nobody has them before it returns, except when we were
// put out of the group.
func (m *membership) gone(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			m.lost[partition{topic, number}] = struct{}{}
		}
	}
}

// received is called with a batch in hand: none of its partitions has been taken away yet.
func (m *membership) received() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.lost)
}

// has tells whether a partition of the last batch is still ours.
func (m *membership) has(p partition) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, lost := m.lost[p]
	return !lost
}

// errOthers says that nothing of the last batch is ours any longer.
var errOthers = errors.New("the partitions are other members' by now")

// restrict takes out of a commit what is not ours. The client calls it at the last moment, from which on
// it does not join the group anew until the commit is done: what is ours now will be ours until then.
func (m *membership) restrict(commit *kmsg.OffsetCommitRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if commit.MemberID != m.id {
		return errOthers // we were put out, and are back under another name
	}
	var topics []kmsg.OffsetCommitRequestTopic
	for _, topic := range commit.Topics {
		var partitions []kmsg.OffsetCommitRequestTopicPartition
		for _, p := range topic.Partitions {
			if _, lost := m.lost[partition{topic.Topic, p.Partition}]; !lost {
				partitions = append(partitions, p)
			}
		}
		if topic.Partitions = partitions; len(partitions) > 0 {
			topics = append(topics, topic)
		}
	}
	commit.Topics = topics
	return nil
}
