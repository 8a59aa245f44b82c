package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommitIsRestrictedToWhatIsOurs(t *testing.T) {
	t.Parallel()
	m := &membership{id: "us", lost: map[partition]struct{}{}}
	m.gone(t.Context(), nil, map[string][]int32{"orders": {0, 2}, "payments": {0}})
	commit := &kmsg.OffsetCommitRequest{MemberID: "us", Topics: []kmsg.OffsetCommitRequestTopic{
		{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0}, {Partition: 1}, {Partition: 2}}},
		{Topic: "payments", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0}}},
	}}
	if err := m.restrict(commit); err != nil {
		t.Fatal(err)
	}
	if len(commit.Topics) != 1 || len(commit.Topics[0].Partitions) != 1 || commit.Topics[0].Partitions[0].Partition != 1 {
		t.Errorf("the commit is of %v, want partition 1 of orders", commit.Topics)
	}
	commit.MemberID = "us, under a new name"
	if err := m.restrict(commit); !errors.Is(err, errOthers) {
		t.Errorf("the commit of another member's partitions: %v", err)
	}
	m.received()
	if !m.has(partition{"orders", 0}) {
		t.Error("what was lost before a batch does not count for it")
	}
}
