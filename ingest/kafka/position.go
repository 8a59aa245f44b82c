package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// quiet is how long a read may return nothing before the check goes on without the rest: the requested messages
// exist, and arrive at once.
const quiet = 4 * fetchWait

// positions returns in which partitions the group cannot continue. It reads a batch of each, as any consumer can,
// without joining the group: one batch at a time, which is decompressed and discarded.
func (s *Source) positions(ctx context.Context, client *kgo.Client) error {
	open, err := s.unread(ctx, client)
	if err != nil || len(open) == 0 {
		return err
	}
	begin := map[string]map[int32]kgo.Offset{}
	for p, offset := range open {
		if begin[p.topic] == nil {
			begin[p.topic] = map[int32]kgo.Offset{}
		}
		begin[p.topic][p.number] = kgo.NewOffset().At(offset)
	}
	reader, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ConsumePartitions(begin),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxConcurrentFetches(0),                         // only while we wait for one
		kgo.FetchMaxBytes(1), kgo.FetchMaxPartitionBytes(1), // one batch, however large
		kgo.FetchMaxWait(fetchWait),
		kgo.MaxDecompressBatchBytes(unpackedMost),
		kgo.KeepRetryableFetchErrors(),
		kgo.KeepControlRecords(), // the batch may contain nothing but the end of a transaction
	}, s.options...)...)
	if err != nil {
		return err
	}
	defer reader.Close()
	r := reading{client: reader, open: open, waiting: map[partition]error{}}
	for idle := false; len(open) > 0 && !idle; {
		idle = r.some(ctx)
	}
	for p, err := range r.waiting {
		r.done(p, err)
	}
	if len(r.problems) == 0 && len(open) > 0 {
		s.log.Warn("partition check timed out; partitions unchecked", "group", s.config.Group, "partitions", len(open))
	}
	return some(r.problems)
}

// reading reads one batch of each partition.
type reading struct {
	client   *kgo.Client
	open     map[partition]int64 // what is still to be read, and from where
	waiting  map[partition]error // partitions with an error that may pass in a moment
	problems []error
}

// some waits for some batches, and reports whether waiting for more is useless.
func (r *reading) some(ctx context.Context) (idle bool) {
	polling, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	temporary := false
	r.client.PollFetches(polling).EachPartition(func(f kgo.FetchTopicPartition) {
		p := partition{f.Topic, f.Partition}
		switch _, asked := r.open[p]; {
		case f.Topic == "" && polling.Err() == nil: // the client does not report in which partition it is
			r.problems = append(r.problems, fmt.Errorf("topics: a batch where the group is cannot be read: %w", f.Err))
			idle = true
		case !asked:
		case f.Err == nil, len(f.Records) > 0, errors.Is(f.Err, kerr.OffsetOutOfRange): // then the group starts elsewhere
			r.done(p, nil)
		case passes(f.Err):
			r.waiting[p], temporary = f.Err, true
		default:
			r.done(p, f.Err)
		}
	})
	if temporary {
		select {
		case <-ctx.Done():
		case <-time.After(askFirst): // the client retries at once
		}
	}
	return idle || ctx.Err() != nil || polling.Err() != nil && len(r.waiting) == 0
}

// done ends the reading of a partition.
func (r *reading) done(p partition, err error) {
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("topics: %s, partition %d cannot be read at offset %d, where the group is: %w",
			p.topic, p.number, r.open[p], explain(err)))
	}
	delete(r.open, p)
	delete(r.waiting, p)
	r.client.PauseFetchPartitions(map[string][]int32{p.topic: {p.number}})
}

// unread returns the offsets where the group continues, for the partitions with unread messages.
func (s *Source) unread(ctx context.Context, client *kgo.Client) (map[partition]int64, error) {
	brokers, topics := kadm.NewClient(client), slices.Clone(s.config.Topics) // the library sorts them
	committed, err := brokers.FetchOffsetsForTopics(ctx, s.config.Group, topics...)
	switch {
	case passes(err):
		return nil, fmt.Errorf("group: ask where %s is: %w", s.config.Group, err)
	case err != nil && !errors.Is(err, kerr.GroupIDNotFound): // without a group there are no offsets yet
		return nil, nil // usable reports that the group cannot be used
	}
	starts, err := brokers.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("topics: ask where partitions start: %w", err)
	}
	ends, err := brokers.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("topics: ask where partitions end: %w", err)
	}
	open := map[partition]int64{}
	var problems []error
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(end.Topic, end.Partition)
		if err := errors.Join(start.Err, end.Err); err != nil {
			problems = append(problems, fmt.Errorf("topics: %s, partition %d: %w", end.Topic, end.Partition, err))
			return
		}
		at, known := committed.Lookup(end.Topic, end.Partition)
		offset := max(at.At, start.Offset)
		if !known || at.At < 0 {
			if s.config.Start == latest {
				return
			}
			offset = start.Offset
		}
		if offset < end.Offset {
			open[partition{end.Topic, end.Partition}] = offset
		}
	})
	return open, some(problems)
}
