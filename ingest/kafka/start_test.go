package kafka

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// grow doubles the topic's partitions, and returns a client that publishes to the partitions that records name.
func (b *broker) grow(t testing.TB) *kgo.Client {
	t.Helper()
	answers, err := kadm.NewClient(b.client).UpdatePartitions(t.Context(), 2*partitions, b.topic())
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// publishEach publishes a message with a body to each of some partitions.
func (b *broker) publishEach(t testing.TB, client *kgo.Client, body string, from, to int32) {
	t.Helper()
	for number := from; number < to; number++ {
		r := &kgo.Record{Topic: b.topic(), Partition: number, Value: []byte(body)}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// wantBodies receives and acknowledges until the given numbers of messages with these bodies have arrived, and no
// other messages.
func (b *broker) wantBodies(t testing.TB, s *Source, want map[string]int) {
	t.Helper()
	got, n := map[string]int{}, 0
	for _, count := range want {
		n += count
	}
	for found := 0; found < n; {
		batch := receive(t, s)
		for _, m := range batch {
			got[string(m.Body)]++
			found++
		}
		settle(t, s, verdicts(ingest.Ack, batch)...)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("received were %v, want %v", got, want)
	}
}

// begun waits until a consumer has begun to read all partitions of its topic.
func (b *broker) begun(t testing.TB, s *Source, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if batch, _ := s.Receive(ctx); len(batch) > 0 {
			t.Errorf("%d messages were received, the first is %s", len(batch), batch[0].Body)
		}
	}()
	await(t, func() string {
		if got := len(b.committed()); got < n {
			return fmt.Sprintf("of %d partitions it is committed where the group begins, want %d", got, n)
		}
		return ""
	})
	cancel()
	<-done
}

// Messages that arrive in new partitions before anybody notices the partitions are not skipped.
func TestStartLatestReadsNewPartitionsFromTheirStart(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			b.config.Start = latest
			b.Produce(t, interleaved(0, 1)...)
			s := b.source(t, b.dial)
			defer closeSource(t, s)
			b.begun(t, s, partitions)
			b.publishEach(t, b.grow(t), "new", partitions, 2*partitions)
			s.member.client.ForceMetadataRefresh()
			b.wantBodies(t, s, map[string]int{"new": partitions})
		})
	}
}

// A group that an earlier release has begun does not know how many partitions there were.
func TestStartLatestOfAGroupOfTheEarlierRelease(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.config.Start = latest
	client := b.grow(t)
	b.publishEach(t, client, "old", 0, partitions)
	b.commit(t, "postrider-c0ffee00", map[int32]int64{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
	b.publishEach(t, client, "new", partitions, 2*partitions)
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	b.wantBodies(t, s, map[string]int{"new": partitions})
}

// Another member has begun at the ends before us. Messages in our partitions are as old as those in its own; only a
// partition that it did not know is new.
func TestStartLatestOfSeveralMembers(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.config.Start = latest
	client := b.grow(t)
	b.publishEach(t, client, "old", 0, partitions)
	begun := b.note(t)
	begun.late = partitions
	b.commit(t, begun.String(), map[int32]int64{0: 1})
	b.publishEach(t, client, "new", partitions, 2*partitions)
	s := b.source(t, b.dial)
	b.wantBodies(t, s, map[string]int{"new": partitions})
	for number := range int32(partitions) {
		if got := b.committed()[number]; got != 1 {
			t.Errorf("partition %d begins at %d, want its end", number, got)
		}
	}
	for number, commit := range b.fake.GroupInfo(b.config.Group).Commits[b.topic()] {
		if commit.Metadata != begun.String() {
			t.Errorf("committed with partition %d is %q, want %q", number, commit.Metadata, begun)
		}
	}
	closeSource(t, s)
}

// A topic that is added to a group's configuration begins at its end, like the first one.
func TestStartLatestOfAnotherTopic(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.config.Start = latest
	first := b.source(t, b.dial)
	b.begun(t, first, partitions)
	closeSource(t, first)

	b.publishEach(t, b.grow(t), "new", partitions, 2*partitions)
	known, another := b.topic(), b.topic()+"-another"
	if err := b.fake.CreateTopic(another, partitions, nil); err != nil {
		t.Fatal(err)
	}
	b.publish(t, &kgo.Record{Topic: another, Value: []byte("old")})
	b.config.Topics = []string{another, known}
	second := b.source(t, b.dial)
	defer closeSource(t, second)
	b.wantBodies(t, second, map[string]int{"new": partitions})
	b.publish(t, &kgo.Record{Topic: another, Value: []byte("later")})
	b.wantBodies(t, second, map[string]int{"later": 1})
}
