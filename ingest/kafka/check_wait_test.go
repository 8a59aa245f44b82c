package kafka

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// passing are responses of brokers that have just started, to requests of a check and of a consumer.
func passing(b *broker) map[string]kfake.Fault {
	return map[string]kfake.Fault{
		"coordinator is being chosen": {Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable},
		"coordinator loads the group": {Keys: []kmsg.Key{kmsg.DescribeGroups, kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress},
		"coordinator has moved":       {Keys: []kmsg.Key{kmsg.DescribeGroups, kmsg.JoinGroup, kmsg.SyncGroup}, Err: kerr.NotCoordinator},
		"coordinator loads offsets":   {Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.CoordinatorLoadInProgress},
		"commits are refused":         {Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress},
		"leaders are being chosen":    {Keys: []kmsg.Key{kmsg.Metadata}, Topic: b.topic(), Err: kerr.LeaderNotAvailable},
		"letters have no leader":      {Keys: []kmsg.Key{kmsg.Metadata}, Topic: b.config.DeadLetterTopic, Err: kerr.LeaderNotAvailable},
		"leaders do not know of it":   {Keys: []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch}, Topic: b.topic(), Err: kerr.NotLeaderForPartition},
		"leaders have no offsets yet": {Keys: []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch}, Topic: b.topic(), Err: kerr.OffsetNotAvailable},
	}
}

func TestCheckWaitsForBrokersThatStart(t *testing.T) {
	t.Parallel()
	for name := range passing(&broker{config: Config{Topics: []string{""}}}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.Produce(t, interleaved(0, 1)...)
			fault := passing(b)[name]
			fault.Count = 4
			b.fake.Fault(fault)
			wantSaid(t, b.source(t, b.dial).Check(t.Context()))
		})
	}
}

// A broker that restarts is unavailable for a moment.
func TestCheckWaitsForBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.Produce(t, interleaved(0, 1)...)
	away := b.fake.ListenAddrs()[b.fake.LeaderFor(b.topic(), 0)]
	var tries atomic.Int32
	s := b.source(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == away && tries.Add(1) <= 4 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return b.dial(ctx, network, address)
	})
	wantSaid(t, s.Check(t.Context()))
	if tries.Load() < 5 {
		t.Errorf("the broker was tried %d times", tries.Load())
	}
}

func TestCheckSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: b.topic(), Err: kerr.LeaderNotAvailable, Count: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	wantSaid(t, b.source(t, b.dial).Check(ctx), "group: "+b.config.Group, "COORDINATOR_NOT_AVAILABLE",
		"topics: "+b.topic(), "LEADER_NOT_AVAILABLE", "until the deadline")
}

func TestReceiveOutlastsBrokersThatStart(t *testing.T) {
	t.Parallel()
	for name := range passing(&broker{config: Config{Topics: []string{""}}}) {
		for _, start := range []string{earliest, latest} {
			t.Run(name+", "+start, func(t *testing.T) {
				t.Parallel()
				b := newFake(t)
				b.config.Start = start
				fault := passing(b)[name]
				fault.Count = 4
				b.fake.Fault(fault)
				s := b.source(t, b.dial)
				defer closeSource(t, s)
				if start == latest {
					join(t, b, s)
				}
				b.Produce(t, interleaved(0, 1)...)
				receive(t, s)
			})
		}
	}
}

// join makes a source receive until the group has committed the start of every partition.
func join(t testing.TB, b *broker, s *Source) {
	t.Helper()
	await(t, func() string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Receive(ctx)
		if n := len(b.committed()); n < partitions {
			return "partitions without a committed offset; the last error was " + errText(err)
		}
		return ""
	})
}

func errText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
