package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	nometer "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// series returns messages of a group whose bodies are their numbers.
func series(group string, from, to int) (all []sourcetest.Produced) {
	for n := from; n < to; n++ {
		all = append(all, sourcetest.Produced{Group: group, Body: fmt.Sprint(n)})
	}
	return all
}

// keys returns enough groups for each partition to have some.
func keys() (all []string) {
	for n := range 4 * partitions {
		all = append(all, fmt.Sprintf("key-%d", n))
	}
	return all
}

// interleaved returns messages of all keys, in turn.
func interleaved(from, to int) (all []sourcetest.Produced) {
	for n := from; n < to; n++ {
		for _, key := range keys() {
			all = append(all, series(key, n, n+1)...)
		}
	}
	return all
}

// await polls until missing returns nothing. On a timeout the test fails with what was still missing.
func await(t testing.TB, missing func() string) {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		lack := missing()
		if lack == "" {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("after %s: %s", patience, lack)
		case <-poll.C:
		}
	}
}

// receive waits for one batch.
func receive(t testing.TB, s *Source) []ingest.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		batch, err := s.Receive(ctx)
		if len(batch) > 0 {
			return batch
		}
		if ctx.Err() != nil {
			t.Fatalf("nothing was received: %v", err)
		}
	}
}

func verdicts(v ingest.Verdict, batch []ingest.Message) (all []ingest.Settlement) {
	for _, m := range batch {
		all = append(all, ingest.Settlement{Message: m, Verdict: v, Reason: "it is no good"})
	}
	return all
}

func settle(t testing.TB, s *Source, settlements ...ingest.Settlement) {
	t.Helper()
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Fatal(err)
	}
}

func closeSource(t testing.TB, s *Source) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

// store is a sink that keeps what a database would, and counts redeliveries. It checks that each key's messages
// arrive in order.
type store struct {
	t testing.TB

	mu    sync.Mutex
	known map[string]struct{}
	next  map[string]int // by key, the number of the next message
	again int
}

func newStore(t testing.TB) *store {
	t.Helper()
	return &store{t: t, known: map[string]struct{}{}, next: map[string]int{}}
}

func (s *store) MessageIngestMany(_ context.Context, ins []core.IngestIn) []core.Ingested {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]core.Ingested, len(ins))
	for i, in := range ins {
		if _, known := s.known[in.Position]; known {
			out[i].Known = true
			s.again++
			continue
		}
		s.known[in.Position] = struct{}{}
		if want := fmt.Sprint(s.next[in.AppRef]); string(in.Payload) != want {
			s.t.Errorf("%s: %s was stored when %s was due", in.AppRef, in.Payload, want)
		}
		s.next[in.AppRef]++
	}
	return out
}

// away is a sink that can store nothing, as if its database were down.
type away struct{}

func (away) MessageIngestMany(_ context.Context, ins []core.IngestIn) []core.Ingested {
	return slices.Repeat([]core.Ingested{{Err: &core.Error{Kind: core.KindUnavailable}}}, len(ins))
}

// keep stores what was received.
func (s *store) keep(batch []ingest.Message) {
	ins := make([]core.IngestIn, len(batch))
	for i, m := range batch {
		ins[i], _ = decode(m)
		ins[i].Position = m.Position
	}
	s.MessageIngestMany(context.Background(), ins)
}

// complete waits until n messages of each key are stored.
func (s *store) complete(each int) {
	s.t.Helper()
	await(s.t, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, key := range keys() {
			if got := s.next[key]; got < each {
				return fmt.Sprintf("%s: %d of %d messages are stored", key, got, each)
			}
		}
		return ""
	})
}

func (s *store) count() (stored, again int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known), s.again
}

func decode(m ingest.Message) (core.IngestIn, error) {
	return core.IngestIn{AppRef: m.Key, MessageIn: core.MessageIn{Payload: m.Body}}, nil
}

// run runs a consumer until stop is called; stop returns when the consumer has ended.
func run(t testing.TB, s *Source, sink ingest.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		ingest.Run(ctx, ingest.Config{
			Name: "test", Source: s, Sink: sink, Decode: decode, StopTimeout: patience,
			Tracer: noop.NewTracerProvider().Tracer(""), Meter: nometer.NewMeterProvider().Meter(""), Clock: time.Now, Log: slog.New(slog.DiscardHandler),
			BackOffMost: 200 * time.Millisecond,
		})
	})
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// committed returns the group's offset in each partition of the topic.
func (b *broker) committed() map[int32]int64 {
	found := map[int32]int64{}
	if group := b.fake.GroupInfo(b.config.Group); group != nil {
		for number, commit := range group.Commits[b.topic()] {
			found[number] = commit.Offset
		}
	}
	return found
}

// group waits until the group is in the wanted state.
func (b *broker) group(t testing.TB, wanted func(*kfake.GroupInfo) bool) *kfake.GroupInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	group, err := b.fake.WaitGroupInfo(ctx, b.config.Group, func(g *kfake.GroupInfo) bool { return g != nil && wanted(g) })
	if err != nil {
		t.Fatalf("the group does not become what it should: %v, %+v", err, group)
	}
	return group
}

// ends returns the end of a batch in each of its partitions.
func ends(batch []ingest.Message) map[int32]int64 {
	found := map[int32]int64{}
	for _, m := range batch {
		r := record(m)
		found[r.Partition] = max(found[r.Partition], r.Offset+1)
	}
	return found
}

func wantCommitted(t testing.TB, b *broker, want map[int32]int64) {
	t.Helper()
	if got := b.committed(); !maps.Equal(got, want) {
		t.Errorf("committed are %v, want %v", got, want)
	}
}
