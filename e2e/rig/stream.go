package rig

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Stream publishes messages in groups, in order within each group, until it is stopped.
type Stream struct {
	Producer
	App  string
	Lead *Lead

	mu       sync.Mutex
	Produced map[string]int // number of messages by group
}

// streamPace is the interval between two messages of a group. It is longer than a FIFO endpoint needs for one.
const streamPace = 25 * time.Millisecond

// StreamGroups are the groups of a stream.
var StreamGroups = []string{"red", "green", "blue", "black"}

// StreamLead is the lead of a stream: six seconds' worth of messages.
const StreamLead = 1000

// Run publishes until ctx ends. Failed messages are published again, because the broker may be down.
func (s *Stream) Run(ctx context.Context, t *testing.T) {
	t.Helper()
	var groups sync.WaitGroup
	for _, group := range StreamGroups {
		groups.Go(func() {
			for n := 0; Pause(ctx, streamPace) == nil; {
				if !s.Lead.UsedUp() {
					s.publish(t, group, n)
					n++
				}
			}
		})
	}
	groups.Wait()
}

func (s *Stream) publish(t *testing.T, group string, n int) {
	t.Helper()
	body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.stream", "channels": [%q], "payload": {"group": %[2]q, "n": %d}}`, s.App, group, n)
	for deadline := time.Now().Add(Patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := s.Produce(ctx, group, fmt.Sprintf("%s-%d", group, n), body, nil)
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("publish: %v", err)
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Produced[group] = n + 1
	s.Lead.sent()
}

// Count returns how many messages have been published so far.
func (s *Stream) Count() (all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.Produced {
		all += n
	}
	return all
}

// StreamEvent is the payload of a stream's messages.
type StreamEvent struct {
	Group string
	N     int
}

// SourcesOf returns the settings of a consumer that reads from a producer.
func SourcesOf(p Producer, org string) []string {
	sources := fmt.Sprintf("POSTRIDER_SOURCES=sources: [{name: stream, organization: %s, %s}]", org, p.Source)
	if strings.HasPrefix(p.Source, "outbox") {
		sources = "POSTRIDER_SOURCES=sources: [{name: stream, " + p.Source + "}]"
	}
	return append(slices.Clone(p.env), sources)
}
