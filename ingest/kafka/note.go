package kafka

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicID is the id of a topic. A topic that is deleted and made again has another one. It is zero where
// the brokers do not tell, which are those before Kafka 2.8.
type topicID [16]byte

// differs reports whether two ids are known and are not the same.
func (id topicID) differs(other topicID) bool {
	return id != topicID{} && other != topicID{} && id != other
}

// note is the metadata of a commit, which brokers keep with the offset.
//
// Brokers before Kafka 4.2 take a commit by the name of its topic. If the topic is deleted and made again
// while a batch of it is in hand, and the commit is under way before anybody notices, then the group has an
// offset of the old topic in the new one, and every later member would skip messages up to it, or all of
// them. No look at the topic before the commit prevents that. So each commit says which topic it is of, and
// a member believes no offset of another one. Offsets without a note are believed: they were committed by
// hand or by an earlier release. So are those of another cluster, which tools that mirror a cluster have
// translated: its topics have other ids.
type note struct {
	id      topicID
	cluster string

	// late is how many partitions the topic had when the group began to read it at the ends of them; 0 if
	// it begins at their starts. By that a member knows a partition that was added since, all of whose
	// messages are new, from one that another member is about to begin at its end. It is handed on from
	// commit to commit.
	late int32
}

// differs reports whether two notes are known to be of different topics.
func (n note) differs(other note) bool { return n.cluster == other.cluster && n.id.differs(other.id) }

const noteMark = "postrider-topic"

func (n note) String() string {
	return fmt.Sprintf("%s %s %d %s", noteMark, hex.EncodeToString(n.id[:]), n.late, n.cluster)
}

// readNote reports whether the metadata of a commit is a note.
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

// annotate puts notes, by topic, into a commit.
func annotate(commit *kmsg.OffsetCommitRequest, notes map[string]note) {
	for _, topic := range commit.Topics {
		text := notes[topic.Topic].String()
		for i := range topic.Partitions {
			topic.Partitions[i].Metadata = &text
		}
	}
}
