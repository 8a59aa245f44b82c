package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// quietMost is how long a read may return nothing before the check goes on without the rest: the requested messages
// exist, and arrive at once.
const quietMost = 4 * fetchWait

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
	r := reading{client: reader, open: open, quiet: s.quiet, waiting: map[partition]error{}}
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
	quiet    time.Duration
	waiting  map[partition]error // partitions with an error that may pass in a moment
	problems []error
}

// some waits for some batches, and reports whether waiting for more is useless.
func (r *reading) some(ctx context.Context) (idle bool) {
	polling, cancel := context.WithTimeout(ctx, r.quiet)
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
	spans, err := s.spans(ctx, client)
	if errors.Is(err, errGroup) {
		return nil, nil // usable reports that the group cannot be used
	}
	open := make(map[partition]int64, len(spans))
	for p, span := range spans {
		open[p] = span.from
	}
	return open, err
}
