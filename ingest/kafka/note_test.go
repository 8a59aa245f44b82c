package kafka

import (
	"math"
	"strings"
	"testing"
)

func TestNote(t *testing.T) {
	t.Parallel()
	for _, n := range []note{{}, {id: topicID{1, 15: 255}}, {id: topicID{7}, late: math.MaxInt32}} {
		if got, ok := readNote(n.String()); !ok || got != n {
			t.Errorf("%s is read as %s", n, got)
		}
	}
}

// Whoever commits for the group writes what he likes.
func TestNoteOfOthersIsNone(t *testing.T) {
	t.Parallel()
	good := note{id: topicID{1}, late: 3}.String()
	id := strings.Fields(good)[1]
	for _, metadata := range []string{
		"", " ", "postrider-3fb6a0c1", good + " more", strings.TrimSuffix(good, " 3"), "postrider-topic",
		"postrider-topic " + id + " -1", "postrider-topic " + id + " 3.0", "postrider-topic " + id + " 2147483648",
		"postrider-topic " + id[1:] + " 3", "postrider-topic 0" + id + " 3", "postrider-topic " + "zz" + id[2:] + " 3",
		"another-topic " + id + " 3", strings.Repeat("\x00", 4096),
	} {
		if got, ok := readNote(metadata); ok || got != (note{}) {
			t.Errorf("%q is read as %s", metadata, got)
		}
	}
}
