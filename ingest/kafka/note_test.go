package kafka

import (
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

func TestNote(t *testing.T) {
	t.Parallel()
	for _, n := range []note{{}, {id: topicID{1, 15: 255}}, {id: topicID{7}, cluster: "a b", late: math.MaxInt32}} {
		if got, ok := readNote(n.String()); !ok || got != n {
			t.Errorf("%s is read as %s", n, got)
		}
	}
}

// Other programs that commit for the group may write any metadata.
func TestNoteOfOthersIsNone(t *testing.T) {
	t.Parallel()
	good := note{id: topicID{1}, cluster: "us", late: 3}.String()
	id := strings.Fields(good)[1]
	for _, metadata := range []string{
		"", " ", "postrider-3fb6a0c1", strings.TrimSuffix(good, " 3 us"), "postrider-topic", " " + good,
		"postrider-topic " + id + " -1 us", "postrider-topic " + id + " 3.0 us", "postrider-topic " + id + " 2147483648 us",
		"postrider-topic " + id[1:] + " 3 us", "postrider-topic 0" + id + " 3 us", "postrider-topic " + "zz" + id[2:] + " 3 us",
		"another-topic " + id + " 3 us", strings.Repeat("\x00", 4096),
	} {
		if got, ok := readNote(metadata); ok || got != (note{}) {
			t.Errorf("%q is read as %s", metadata, got)
		}
	}
}

// note returns the note in a commit of the topic.
func (b *broker) note(t testing.TB) note {
	t.Helper()
	found, err := describe(t.Context(), b.client, b.config.Topics)
	if err != nil {
		t.Fatal(err)
	}
	return noteOf(found, found.Topics[0])
}

// The note in a commit decides whether its offset is trusted.
func TestCommitOfAnotherTopicIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		metadata func(now note) string
		want     int64 // where reading begins
	}{
		"by hand":                     {func(note) string { return "" }, 5},
		"of the previous release":     {func(note) string { return "postrider-c0ffee00" }, 5},
		"of this topic":               {func(now note) string { return now.String() }, 5},
		"of brokers that tell no ids": {func(now note) string { return note{cluster: now.cluster}.String() }, 5},
		"mirrored from another cluster": {
			func(now note) string { return note{id: topicID{1}, cluster: now.cluster + "-2"}.String() }, 5,
		},
		"of another topic": {
			func(now note) string { return note{id: topicID{1}, cluster: now.cluster, late: partitions}.String() }, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.config.Start = latest
			b.Produce(t, series("red", 0, 10)...)
			now := b.note(t)
			at := map[int32]int64{}
			for number := range int32(partitions) {
				at[number] = test.want
				if test.want == 0 {
					at[number] = 1000
				}
			}
			b.commit(t, test.metadata(now), at)
			s := b.source(t, b.dial)
			defer closeSource(t, s)
			batch := receive(t, s)
			if got := record(batch[0]).Offset; got != test.want {
				t.Errorf("reading begins at %d, want %d", got, test.want)
			}
			for number, got := range b.committed() {
				if got != at[number] && test.want > 0 || got != 0 && test.want == 0 {
					t.Errorf("partition %d is committed to %d", number, got)
				}
			}
			settle(t, s, verdicts(ingest.Ack, batch)...)
			commit := b.fake.GroupInfo(b.config.Group).Commits[b.topic()][record(batch[0]).Partition]
			if want := now.String(); commit.Offset <= test.want || commit.Metadata != want {
				t.Errorf("committed is %d with %q, want more than %d with %q", commit.Offset, commit.Metadata, test.want, want)
			}
		})
	}
}

// A topic that the client has only learned about in the meantime is not committed, not even by name.
func TestCommitOfATopicMadeAgainIsLeftOut(t *testing.T) {
	t.Parallel()
	b := newFake(t, generations["4.0"])
	s, batch := b.inHand(t, 10)
	defer closeSource(t, s)
	other := b.note(t)
	other.id[0]++
	s.places.know(b.topic(), known{note: other})
	settle(t, s, verdicts(ingest.Ack, batch)...)
	if got := b.committed()[record(batch[0]).Partition]; got != 0 {
		t.Errorf("committed is %d, want what was there before", got)
	}
}

// A member of the previous release commits what it has read of the old topic, without a note.
func TestCommitWithoutANoteInATopicMadeAgain(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	s := b.source(t, b.dial)
	commits := map[int32]kadm.OffsetResponse{
		0: {Offset: kadm.Offset{At: 5, Metadata: "postrider-c0ffee00"}},
		1: {Offset: kadm.Offset{At: 5, Metadata: b.note(t).String()}},
		2: {Offset: kadm.Offset{At: -1}},
	}
	for before, want := range map[topicID]map[int32]bool{
		b.note(t).id: {0: true, 1: true},
		{1}:          {0: false, 1: true},
	} {
		s.places.know(b.topic(), known{note: note{id: before, cluster: b.note(t).cluster}})
		got := s.topic(b.note(t), kmsg.MetadataResponseTopic{Topic: &b.config.Topics[0]}, commits)
		if !maps.Equal(got.believed, want) {
			t.Errorf("after topic %x, believed are %v, want %v", before, got.believed, want)
		}
	}
}
