package main

import (
	"context"
	"time"
)

// flow is the throughput and latency of a period.
type flow struct {
	span          time.Duration
	sent, arrived int
	took          []time.Duration // of messages sent in it; a message that has not arrived took until now
	latency
}

func (f flow) sentPerSecond() float64 { return float64(f.sent) / f.span.Seconds() }

func (f flow) perSecond() float64 { return float64(f.arrived) / f.span.Seconds() }

// latencyRatio compares the 99th percentiles.
func (f flow) latencyRatio(before flow) float64 { return float64(f.p99) / float64(before.p99) }

// flowsOf merges slices.
func flowsOf(parts []slice) (whole flow) {
	for _, p := range parts {
		whole.span += p.span
		whole.sent += p.sent
		whole.arrived += p.arrived
		whole.took = append(whole.took, p.took...)
	}
	whole.latency = latencyOf(whole.took)
	return whole
}

// reset starts the measurement.
func (s *steady) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sentAt)
	clear(s.arriveAt)
	s.begin, s.again, s.strange = time.Now(), 0, 0
}

// flowOf returns what was sent in a period, and what arrived in it.
func (s *steady) flowOf(from, to time.Duration) flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := flow{span: to - from}
	now := time.Since(s.begin)
	for id, at := range s.sentAt {
		arrived, ok := s.arriveAt[id]
		if !ok {
			arrived = now
		} else if arrived >= from && arrived < to {
			f.arrived++
		}
		if at >= from && at < to {
			f.sent++
			f.took = append(f.took, arrived-at)
		}
	}
	f.latency = latencyOf(f.took)
	return f
}

// awaitAll waits until all sent messages have arrived, and returns how many have not.
func (s *steady) awaitAll(ctx context.Context, timeout time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		s.mu.Lock()
		missing := len(s.sentAt) - len(s.arriveAt)
		s.mu.Unlock()
		if missing <= 0 {
			return 0
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return missing
		}
	}
}
