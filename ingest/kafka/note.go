package kafka

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicID is the id of a topic. A topic that is deleted and recreated gets a new id. It is zero if the brokers do not
// report ids, which are those before Kafka 2.8.
type topicID [16]byte

// differs reports whether both ids are known and different.
func (id topicID) differs(other topicID) bool {
	return id != topicID{} && other != topicID{} && id != other
}

// note is the metadata of a commit, which brokers store with the offset.
//
// Brokers before Kafka 4.2 identify the topic of a commit by its name. If the topic is deleted and recreated while a
// batch of it is in hand, and the commit is sent before anybody notices, the group has an offset of the old topic in
// the new one, and every later member would skip the messages up to it, or all of them. Looking at the topic before
// the commit does not prevent that. So each commit says which topic it is for, and a member ignores offsets of
// another topic. Offsets without a note are trusted: they were committed by hand or by an earlier release. So are
// those of another cluster, which cluster mirroring tools have translated, because its topics have other ids.
type note struct {
	id      topicID
	cluster string

	// late is the number of partitions that the topic had when the group began to read at their ends, or 0 if it
	// begins at their starts. It lets a member distinguish a partition that was added since, all of whose messages
	// are new, from one that another member is about to begin at its end. Each commit passes it on to the next.
	late int32
}

// differs reports whether two notes are known to be of different topics.
func (n note) differs(other note) bool { return n.cluster == other.cluster && n.id.differs(other.id) }

const noteMark = "postrider-topic"

func (n note) String() string {
	return fmt.Sprintf("%s %s %d %s", noteMark, hex.EncodeToString(n.id[:]), n.late, n.cluster)
}

// readNote parses the metadata of a commit and reports whether it is a note.
func readNote(metadata string) (n note, ok bool) {
	fields := strings.SplitN(metadata, " ", 4)
	if len(fields) != 4 || fields[0] != noteMark || len(fields[1]) != hex.EncodedLen(len(n.id)) {
		return note{}, false
	}
	late, err := strconv.ParseInt(fields[2], 10, 32)
	if err != nil || late < 0 {
		return note{}, false
	}
	if _, err := hex.Decode(n.id[:], []byte(fields[1])); err != nil {
		return note{}, false
	}
	n.late, n.cluster = int32(late), fields[3]
	return n, true
}

// annotate adds notes, by topic, to a commit.
func annotate(commit *kmsg.OffsetCommitRequest, notes map[string]note) {
	for _, topic := range commit.Topics {
		text := notes[topic.Topic].String()
		for i := range topic.Partitions {
			topic.Partitions[i].Metadata = &text
		}
	}
}
