package outbox

import (
	"context"

	"github.com/postrider/postrider/ingest"
)

const (
	// countMost is where counting the outbox ends. An index of this many entries is read in about 10 ms.
	countMost = 100_000
	// countShare is the share of the time that may go into counting, as a divisor: while any session holds a snapshot,
	// a count also reads all rows removed since.
	countShare = 100
)

// Depth returns how many messages are in the outbox, up to countMost. The dead letters are a table, which the jobs
// count. If counting takes long it returns the last count again for a while.
func (s *Source) Depth(ctx context.Context) (ingest.Depth, error) {
	began := s.clock()
	if began.Before(s.countAt) {
		return ingest.Depth{Lag: s.counted, DeadLetters: ingest.Unknown}, nil
	}
	n, err := s.outbox.OutboxCount(ctx, countMost)
	if err != nil {
		return ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}, err
	}
	ended := s.clock()
	s.counted, s.countAt = n, ended.Add(countShare*ended.Sub(began))
	return ingest.Depth{Lag: n, DeadLetters: ingest.Unknown}, nil
}
