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

// quiet is how long a read may bring nothing until the check does without the rest: what is asked for is
// there, and comes at once.
const quiet = 4 * fetchWait

// positions tells in which partitions the group cannot go on. It reads a batch of each, as any consumer
// can, without the group: one batch at a time, which is unpacked and thrown away.
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
		kgo.KeepControlRecords(), // where the last thing is the end of a transaction, it is all there is
	}, s.options...)...)
	if err != nil {
		return err
	}
	defer reader.Close()
	return s.read(ctx, reader, open)
}

// read reads a batch of each partition, and returns why some cannot be read.
func (s *Source) read(ctx context.Context, reader *kgo.Client, open map[partition]int64) error {
	var problems []error
	waiting := map[partition]error{} // for what may be over in a moment
	done := func(p partition, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("topics: %s, partition %d cannot be read at offset %d, where the group is: %w",
				p.topic, p.number, open[p], explain(err)))
		}
		delete(open, p)
		delete(waiting, p)
		reader.PauseFetchPartitions(map[string][]int32{p.topic: {p.number}})
	}
	for idle := false; len(open) > 0 && !idle; {
		idle = readSome(ctx, reader, open, waiting, done)
	}
	if large, tooLarge := waiting[anywhere]; tooLarge {
		problems = append(problems, fmt.Errorf("topics: a batch where the group is cannot be read: %w", large))
		delete(waiting, anywhere)
	}
	for p, err := range waiting {
		done(p, err)
	}
	if len(open) > 0 {
		s.log.Warn("partitions were not looked into; nothing came of them in time", "group", s.config.Group, "partitions", len(open))
	}
	return some(problems)
}

// anywhere is where a batch is that is too large to be read at all: the client does not tell.
var anywhere = partition{"", wholeTopic}

// readSome waits for some batches, and reports whether there is no use in waiting for more.
func readSome(
	ctx context.Context, reader *kgo.Client, open map[partition]int64, waiting map[partition]error, done func(partition, error),
) (idle bool) {
	polling, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	fetches := reader.PollFetches(polling)
	temporary := false
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := partition{f.Topic, f.Partition}
		switch _, asked := open[p]; {
		case p == anywhere && polling.Err() == nil:
			waiting[p] = f.Err
		case !asked:
		case f.Err == nil, len(f.Records) > 0, errors.Is(f.Err, kerr.OffsetOutOfRange): // the group starts elsewhere then
			done(p, nil)
		case passes(f.Err):
			waiting[p], temporary = f.Err, true
		default:
			done(p, f.Err)
		}
	})
	if temporary {
		select {
		case <-ctx.Done():
		case <-time.After(askFirst): // the client asks again at once
		}
	}
	_, tooLarge := waiting[anywhere]
	return ctx.Err() != nil || tooLarge || polling.Err() != nil && len(waiting) == 0
}

// unread is where the group goes on, of partitions in which something is to be read.
func (s *Source) unread(ctx context.Context, client *kgo.Client) (map[partition]int64, error) {
	brokers, topics := kadm.NewClient(client), slices.Clone(s.config.Topics) // the library sorts them
	committed, err := brokers.FetchOffsetsForTopics(ctx, s.config.Group, topics...)
	switch {
	case passes(err):
		return nil, fmt.Errorf("group: ask where %s is: %w", s.config.Group, err)
	case err != nil && !errors.Is(err, kerr.GroupIDNotFound): // then it is nowhere yet
		return nil, nil // that the group cannot be used, usable says
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
