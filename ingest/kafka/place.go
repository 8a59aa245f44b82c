package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// places records what is known about the topics, and where to continue in each partition.
type places struct {
	mu     sync.Mutex
	topics map[string]known
	next   map[partition]int64 // missing: wherever the partition starts or ends
}

// known is a topic as it was when we last looked.
type known struct {
	note
	begun bool // its begin offsets were decided
}

func newPlaces() *places {
	return &places{topics: map[string]known{}, next: map[partition]int64{}}
}

// topic returns what is known about a topic, or a zero known.
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

// begin is called with the offsets where reading begins.
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

// back is called with the offsets from which partitions are read again.
func (p *places) back(to offsets) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for topic, partitions := range to {
		for number, at := range partitions {
			p.next[partition{topic, number}] = at.Offset
		}
	}
}

// moved is called when the client has reported that it moved, and where to.
func (p *places) moved(loss *kgo.ErrDataLoss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[partition{loss.Topic, loss.Partition}] = loss.ResetTo
}

// gap is a partition whose messages do not continue where they should.
type gap struct {
	partition
	due, found int64 // offsets
	missed     int64 // how many offsets the brokers have deleted in between; 0 if found is before due
}

// read is called with a partition's fetched messages, and reports whether there is a gap before them. The client
// reports neither kind of gap. Single offsets are also missing where transactions end or a topic is compacted, so
// only offsets before the start of the partition's log count as a gap.
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
