package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// places is what is known of the topics, and where each partition is to be read on.
type places struct {
	mu     sync.Mutex
	topics map[string]known
	next   map[partition]int64 // missing: wherever the partition starts or ends
}

// known is a topic as it was when we last looked.
type known struct {
	note
	begun bool // it was looked at to decide where to begin
}

func newPlaces() *places {
	return &places{topics: map[string]known{}, next: map[partition]int64{}}
}

// topic is what is known of a topic, and zero if that is nothing.
func (p *places) topic(name string) known {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics[name]
}

func (p *places) know(topic string, now known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topics[topic] = now
}

// hear is called with a topic that we may not have begun to read.
func (p *places) hear(topic string, now note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, is := p.topics[topic]; !is {
		p.topics[topic] = known{note: now}
	}
}

// begin is called with where partitions are begun.
func (p *places) begin(at map[string]map[int32]kgo.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, partitions := range at {
		for number, offset := range partitions {
			if next := offset.EpochOffset().Offset; next >= 0 {
				p.next[partition{topic, number}] = next
			} else {
				delete(p.next, partition{topic, number})
			}
		}
	}
}

// back is called with where partitions are read again.
func (p *places) back(to offsets) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, partitions := range to {
		for number, at := range partitions {
			p.next[partition{topic, number}] = at.Offset
		}
	}
}

// moved is called when the client has told that it moved, and to where.
func (p *places) moved(loss *kgo.ErrDataLoss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[partition{loss.Topic, loss.Partition}] = loss.ResetTo
}

// gap is a partition whose messages do not go on where it was to be read.
type gap struct {
	partition
	due, found int64 // offsets
	missed     int64 // how many offsets the brokers have deleted in between; 0 if found is before due
}

// read is called with what was fetched of a partition, and reports whether there is a gap before it. The
// client says nothing of either kind. One offset after another is missing also where transactions end or
// a topic is compacted, so that a gap is only what lies before the start of the partition's log.
func (p *places) read(topic string, fetched kgo.FetchPartition) (g gap, is bool) {
	if len(fetched.Records) == 0 {
		return gap{}, false
	}
	of := partition{topic, fetched.Partition}
	first, last := fetched.Records[0].Offset, fetched.Records[len(fetched.Records)-1].Offset
	p.mu.Lock()
	defer p.mu.Unlock()
	due, known := p.next[of]
	p.next[of] = last + 1
	g = gap{partition: of, due: due, found: first}
	if first > due {
		g.missed = max(0, min(first, fetched.LogStartOffset)-due)
	}
	return g, known && (g.missed > 0 || first < due)
}
