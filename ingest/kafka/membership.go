package kafka

import (
	"context"
	"errors"
	"slices"
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

	// The client gives up a partition whose committed offset it cannot get, for whatever reason, and asks for it again
	// only if the partition is assigned to us anew. Nothing else would make it read the partition.
	unread  map[partition]struct{} // partitions that are assigned to us, and that the client has not begun to read
	dropped []string               // topics of which the client has given up partitions
}

func newMembership() membership {
	return membership{lost: map[partition]struct{}{}, unread: map[partition]struct{}{}}
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
func (m *membership) assigned(_ context.Context, client *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, _ = client.GroupMetadata()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			m.unread[partition{topic, number}] = struct{}{}
		}
	}
}

// begun is called after assigned with the partitions that the client begins to read, and returns the topics of those that it
// has given up.
func (m *membership) begun(at map[string]map[int32]kgo.Offset) (dropped []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.unread {
		if _, reads := at[p.topic][p.number]; !reads && !slices.Contains(dropped, p.topic) {
			dropped = append(dropped, p.topic)
		}
	}
	clear(m.unread)
	return dropped
}

// drop records topics for the next call of takeDropped.
func (m *membership) drop(topics []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = append(m.dropped, topics...)
}

// takeDropped returns the topics whose partitions have to be assigned to us anew.
func (m *membership) takeDropped() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	dropped := m.dropped
	m.dropped = nil
	return dropped
}

// gone is called when partitions are taken away. No other member gets them before it returns, unless the group
// removed us.
func (m *membership) gone(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			m.lost[partition{topic, number}] = struct{}{}
			delete(m.unread, partition{topic, number})
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
