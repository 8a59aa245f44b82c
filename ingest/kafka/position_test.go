package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestCheckFindsPartitionsThatStall(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.client = b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			for n := range int32(partitions) {
				b.to(t, n, "good")
			}
			trouble.cause(t, b)
			b.commit(t, "", map[int32]int64{0: 1}) // where the problem is
			b.to(t, 0, "more")
			s, _, _ := b.logged(t)
			err := s.checkUntil(t, trouble.says)
			wantSaid(t, err, "topics: "+b.topic()+", partition 0 cannot be read at offset 1", trouble.says)
			if n := strings.Count(errText(err), ", partition "); n != 1 {
				t.Errorf("more than partition 0 is named: %v", err)
			}
		})
	}
}

// checkUntil checks for longer and longer until the error has a text: an error that may pass is told at the deadline.
func (s *Source) checkUntil(t testing.TB, text string) (err error) {
	t.Helper()
	for s.checkTimeout = 3 * time.Second; s.checkTimeout < patience; s.checkTimeout *= 2 {
		if err = s.Check(t.Context()); strings.Contains(errText(err), text) {
			return err
		}
	}
	return err
}

func TestCheckFindsSkippedBatchInOrder(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	offset := b.bomb(t)
	s, _, _ := b.logged(t)
	err := s.Check(t.Context())
	wantSaid(t, err, "partition 0 cannot be read at offset 0", fmt.Sprintf("reset the group to offset %d", offset+1))
	b.commit(t, "", map[int32]int64{0: offset + 1})
	b.Produce(t, interleaved(0, 1)...)
	wantSaid(t, s.Check(t.Context()))
	defer closeSource(t, s)
	receive(t, s)
}

// Batches that consumers see as empty do not block a check, and it does not look at offsets before the group's.
func TestCheckReadsWhereTheGroupIs(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(testing.TB, *broker){
		"before it": func(t testing.TB, b *broker) { t.Helper(); b.commit(t, "", map[int32]int64{0: b.bomb(t) + 1}) },
		"start latest": func(t testing.TB, b *broker) {
			t.Helper()
			b.config.Start = latest
			b.bomb(t)
		},
		"taken back": func(t testing.TB, b *broker) { t.Helper(); b.transact(t, kgo.TryAbort) },
		"end of a transaction": func(t testing.TB, b *broker) {
			t.Helper()
			b.transact(t, kgo.TryCommit)
			b.commit(t, "", map[int32]int64{0: 1})
		},
		"deleted since": func(t testing.TB, b *broker) {
			t.Helper()
			b.to(t, 0, "old")
			b.commit(t, "", map[int32]int64{0: 0})
			b.to(t, 0, "new")
			if err := b.fake.DeleteRecords(b.topic(), 0, 1); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.client = b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			prepare(t, b)
			s, log, _ := b.logged(t)
			wantSaid(t, s.Check(t.Context()))
			if log.String() != "" {
				t.Errorf("it warned: %s", log)
			}
		})
	}
}

// transact publishes a message to partition 0 in a transaction.
func (b *broker) transact(t testing.TB, end kgo.TransactionEndTry) {
	t.Helper()
	producer := b.connect(t, kgo.TransactionalID(b.config.Group), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: b.topic(), Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := producer.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

// However many partitions there are, a check reads one batch at a time, and ends on time.
func TestCheckOfManyPartitions(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	const many = 300
	b.config.Topics = []string{"many"}
	if err := b.fake.CreateTopic("many", many, nil); err != nil {
		t.Fatal(err)
	}
	b.client = b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for n := range int32(many) {
		b.to(t, n, "good")
	}
	s, log, _ := b.logged(t)
	wantSaid(t, s.Check(t.Context()))
	if log.String() != "" {
		t.Errorf("it warned: %s", log)
	}
	b.fake.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		return r.ResponseKind(), nil, true // never any messages
	})
	s.quiet = time.Second
	wantSaid(t, s.Check(t.Context()))
	if want := fmt.Sprintf("partitions=%d", many); !strings.Contains(log.String(), want) {
		t.Errorf("the log is %q, and does not say %q", log, want)
	}
}

// For a topic that cannot be read at all, the error names the first partitions.
func TestCheckNamesSomeOfManyPartitions(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.config.Topics = []string{"many"}
	if err := b.fake.CreateTopic("many", 50, nil); err != nil {
		t.Fatal(err)
	}
	b.client = b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for n := range int32(50) {
		b.to(t, n, "good")
	}
	b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "many", Count: -1})
	s, _, _ := b.logged(t)
	err := s.Check(t.Context())
	wantSaid(t, err, "UNKNOWN_SERVER_ERROR", "and 40 more")
	if n := strings.Count(errText(err), ", partition "); n != someMost {
		t.Errorf("%d partitions are named: %v", n, err)
	}
}

// Older brokers get older requests.
func TestCheckOfOlderBrokers(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]*kversion.Versions{
		"2.4": kversion.V2_4_0(), "2.8": kversion.V2_8_0(), "3.5": kversion.V3_5_0(), "4.0": kversion.V4_0_0(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, kfake.NumBrokers(3), kfake.MaxVersions(version))
			b.Produce(t, interleaved(0, 1)...)
			s, log, _ := b.logged(t)
			wantSaid(t, s.Check(t.Context()))
			if log.String() != "" {
				t.Errorf("it warned: %s", log)
			}
			b.config.Group += "-2"
			b.config.Topics = []string{"large"}
			if err := b.fake.CreateTopic("large", 1, nil); err != nil {
				t.Fatal(err)
			}
			b.bomb(t)
			s, _, _ = b.logged(t)
			wantSaid(t, s.Check(t.Context()), "large, partition 0 cannot be read at offset 0", "unpacks to more than")
		})
	}
}
