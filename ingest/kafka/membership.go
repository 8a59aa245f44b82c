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

// membership is our place in the group, and decides what we may commit. The group takes partitions away only between
// batches, when nothing of them is open, unless we hold a batch for too long. Then we let it take them, and if we are
// slower even than that, it removes us. A commit contains the member and its generation, but not which partitions are
// the member's, and Kafka trusts it. So it is up to us not to commit partitions that belong to another member by now;
// their offsets would jump.
type membership struct {
	mu     sync.Mutex
	client *kgo.Client
	id     string                 // of the member that the partitions were assigned to
	lost   map[partition]struct{} // partitions taken away since the last batch was received
}

// join creates a client, whose callbacks may run immediately.
func (m *membership) join(options ...kgo.Opt) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	client, err := kgo.NewClient(options...)
	if err == nil {
		m.client = client
	}
	return err
}

// current returns the client, for callbacks that may run before join has returned.
func (m *membership) current() *kgo.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client
}

// assigned is called when the group has assigned partitions, after all revoked ones are gone.
func (m *membership) assigned(_ context.Context, client *kgo.Client, _ map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, _ = client.GroupMetadata()
}

// gone is called when partitions are taken away. No other member gets them before it returns, unless the group
// removed us.
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

// has reports whether a partition of the last batch is still ours.
func (m *membership) has(p partition) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, lost := m.lost[p]
	return !lost
}

// errOthers means that no partition of the last batch is ours any longer.
var errOthers = errors.New("the partitions are other members' by now")

// restrict removes partitions that are not ours from a commit. The client calls it at the last moment, after which it
// does not rejoin the group until the commit is done, so partitions that are ours now stay ours until then.
func (m *membership) restrict(commit *kmsg.OffsetCommitRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if commit.MemberID != m.id {
		return errOthers // the group removed us, and we rejoined under another member id
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
