package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// A partition that cannot be fetched is left alone for restFirst, then for twice as long, and so on up
	// to restMost. The client would ask for it again at once, for as long as it takes.
	restFirst = 250 * time.Millisecond
	restMost  = 15 * time.Second

	// overAfter is how long nothing is heard of a stall until it counts as over: twice as long as it rests.
	overAfter = 2 * restMost
	// passAfter is how long a stall may last that brokers call temporary, as while a leader moves.
	passAfter = 30 * time.Second
	// strangerMost is how often the brokers may not know a topic by its id: while they are told of a new one.
	// Then it was deleted. With the rests that is after 8 s.
	strangerMost = 5

	// sayEvery is how often it is said that a partition stalls, and sayMost of how many in that time.
	sayEvery = time.Minute
	sayMost  = 10

	// wholeTopic is the number that the client gives to what is wrong with a topic, and without a topic
	// to an answer larger than it reads.
	wholeTopic = -1
)

// stall is a partition that cannot be read, or a whole topic.
type stall struct {
	err   error
	times int
	since time.Time
	last  time.Time
	said  time.Time // zero: never
	final bool      // the client has given the partition up, and says nothing more about it
}

// stalls are the partitions that cannot be read while others can. They are no errors of Receive, which
// would hold up the others.
type stalls struct {
	log  *slog.Logger
	now  func() time.Time
	most time.Duration // that a partition rests

	mu    sync.Mutex
	all   map[partition]*stall
	began time.Time // of the time in which sayMost are said
	said  int       // how many were
}

func newStalls(log *slog.Logger, now func() time.Time) *stalls {
	return &stalls{log: log, now: now, most: restMost, all: map[partition]*stall{}}
}

// take keeps what the client says instead of a partition's messages, and reports whether it did: other
// errors are for the caller. If no messages came with it, the partition is left alone for a while.
func (s *stalls) take(client *kgo.Client, p partition, err error, messages int) bool {
	_, lost := errors.AsType[*kgo.ErrDataLoss](err)
	_, group := errors.AsType[*kgo.ErrGroupSession](err)
	_, large := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrClientClosed)
	if lost || group || ended {
		return false
	}
	times := s.note(p, err, large)
	if errors.Is(err, kerr.UnknownTopicID) && times > strangerMost {
		s.over(p)
		return false
	}
	if p.number != wholeTopic && !large && messages == 0 {
		one := map[string][]int32{p.topic: {p.number}}
		client.PauseFetchPartitions(one)
		time.AfterFunc(min(restFirst<<min(times-1, 10), s.most), func() { client.ResumeFetchPartitions(one) })
	}
	return true
}

func (s *stalls) note(p partition, err error, final bool) (times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one := s.all[p]
	if one == nil {
		one = &stall{since: now}
		s.all[p] = one
	}
	one.err, one.last, one.final = err, now, final
	one.times++
	return one.times
}

// over is called when a message of a partition has come, or its topic is not the same any longer.
func (s *stalls) over(p partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[p]; one != nil && !one.said.IsZero() {
		s.log.Info("partition read recovered", "topic", p.topic, "partition", p.number,
			"stalled_for_s", seconds(s.now().Sub(one.since)))
	}
	delete(s.all, p)
}

// gone is called when partitions are taken away. Another member may be able to read them, and if they
// come back the client tries again.
func (s *stalls) gone(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			delete(s.all, partition{topic, number})
		}
	}
}

// remade is called when a topic is another one by now.
func (s *stalls) remade(topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.all, func(p partition, _ *stall) bool { return slices.Contains(topics, p.topic) })
}

// say logs the stalls that are due. offset tells where a partition stands.
func (s *stalls) say(group string, offset func(partition) int64) {
	due, all := s.pick()
	for p, one := range due {
		log := s.log.With("group", group)
		if p.topic != "" {
			log = log.With("topic", p.topic)
		}
		if p.number != wholeTopic {
			log = log.With("partition", p.number, "offset", offset(p))
		}
		log.Error("partition read failed; its messages wait", "error", explain(one.err), "times", one.times,
			"stalled_for_s", seconds(one.said.Sub(one.since)), "stalled", all)
	}
}

// pick returns the stalls to be said now, and how many there are in all.
func (s *stalls) pick() (picked map[partition]stall, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.began) >= sayEvery {
		s.began, s.said = now, 0
	}
	picked = map[partition]stall{}
	due := s.due(now)
	for _, p := range due[:min(len(due), sayMost-s.said)] {
		s.said++
		s.all[p].said = now
		picked[p] = *s.all[p]
	}
	return picked, len(s.all)
}

// due drops the stalls that are over, and returns those to be said, first what was never said.
func (s *stalls) due(now time.Time) (due []partition) {
	for p, one := range s.all {
		switch {
		case !one.final && now.Sub(one.last) > overAfter:
			delete(s.all, p)
		case passes(one.err) && now.Sub(one.since) < passAfter: // it may be over in a moment
		case one.said.IsZero() || now.Sub(one.said) >= sayEvery:
			due = append(due, p)
		}
	}
	slices.SortFunc(due, func(a, b partition) int {
		return cmp.Or(s.all[a].said.Compare(s.all[b].said), cmp.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number))
	})
	return due
}

// explain says what an error of a partition means, if the client's own words do not.
func explain(err error) error {
	if large, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
		return fmt.Errorf("the batch at offset %d unpacks to more than %d MiB; to skip it, stop the consumers and reset the group to offset %d",
			large.Offset, unpackedMost>>20, large.NextOffset)
	}
	return err
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
