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
	// A partition that cannot be fetched is paused for restFirst, then for twice as long, and so on up to restMost.
	// The client would retry at once, for as long as the problem lasts.
	restFirst = 250 * time.Millisecond
	restMost  = 15 * time.Second

	// overAfter is how long a stall must not be reported before it counts as over: twice the longest pause.
	overAfter = 2 * restMost
	// passAfter is how long a stall may last that brokers call temporary, for example while a leader moves.
	passAfter = 30 * time.Second
	// strangerMost is how often the brokers may not know a topic by its id, as happens while they learn about a new
	// one. After that the topic was deleted. With the pauses that is after 8 s.
	strangerMost = 5

	// sayEvery is how often a stalled partition is logged, and sayMost is how many are in that time.
	sayEvery = time.Minute
	sayMost  = 10

	// wholeTopic is the partition number that the client reports for an error of a whole topic and, without a topic,
	// for an answer larger than it reads.
	wholeTopic = -1
)

// stall is a partition, or a whole topic, that cannot be read.
type stall struct {
	err   error
	times int
	since time.Time
	last  time.Time
	said  time.Time // zero: never
	final bool      // the client has given up on the partition, and reports nothing more about it
}

// stalls are the partitions that cannot be read while others can. They are not errors of Receive, which would block
// the others.
type stalls struct {
	log  *slog.Logger
	now  func() time.Time
	most time.Duration // the longest pause of a partition

	mu    sync.Mutex
	all   map[partition]*stall
	began time.Time // start of the interval in which up to sayMost are logged
	said  int       // how many were logged
}

func newStalls(log *slog.Logger, now func() time.Time) *stalls {
	return &stalls{log: log, now: now, most: restMost, all: map[partition]*stall{}}
}

// take records a partition's error and reports whether it did: other errors are for the caller. If no messages came
// with the error, the partition is paused for a while.
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

// over is called when a message of a partition has arrived, or when its topic was replaced.
func (s *stalls) over(p partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[p]; one != nil && !one.said.IsZero() {
		s.log.Info("partition read recovered", "topic", p.topic, "partition", p.number,
			"stalled_for_s", seconds(s.now().Sub(one.since)))
	}
	delete(s.all, p)
}

// gone is called when partitions are taken away. Another member may be able to read them, and if they come back the
// client tries again.
func (s *stalls) gone(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			delete(s.all, partition{topic, number})
		}
	}
}

// remade is called when topics were replaced by others of the same names.
func (s *stalls) remade(topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.all, func(p partition, _ *stall) bool { return slices.Contains(topics, p.topic) })
}

// say logs the stalls that are due. offset returns the current offset of a partition.
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

// pick returns the stalls to log now, and how many there are in total.
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

// due drops the stalls that are over, and returns those to log, those never logged first.
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

// explain adds what an error of a partition means, if the client's own words do not say so.
func explain(err error) error {
	if large, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
		return fmt.Errorf("the batch at offset %d unpacks to more than %d MiB; to skip it, stop the consumers and reset the group to offset %d",
			large.Offset, unpackedMost>>20, large.NextOffset)
	}
	return err
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
