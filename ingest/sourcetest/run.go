package sourcetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nometer "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// App is the application of all good messages; a sink given to the suite must know it.
const App = "acme"

// nobody is an application that does not exist.
const nobody = "nobody"

// patience is how long a test waits for anything. It is far longer than anything takes on a slow and busy machine.
const patience = time.Minute

// body returns the body of the n-th message of its group, for an application.
func body(app, group string, n int) string {
	return fmt.Sprintf(`{"application": %q, "eventType": "test", "payload": {"group": %q, "n": %d}}`, app, group, n)
}

// OddBody returns the body of the odd message with this name. The given members are added to its payload.
func OddBody(name string, members ...string) string {
	return fmt.Sprintf(`{"application": %q, "eventType": "test", "payload": {"odd": %q%s}}`, App, name, strings.Join(members, ""))
}

// series returns good messages of a group.
func series(group string, from, to int) (all []Produced) {
	for n := from; n < to; n++ {
		all = append(all, Produced{Group: group, Body: body(App, group, n)})
	}
	return all
}

// run runs a consumer until stop is called; stop returns when the consumer has ended.
func (s Suite) run(t testing.TB, source ingest.Source, sink ingest.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		ingest.Run(ctx, ingest.Config{
			Name: "test", Source: source, Sink: sink, Decode: s.Decode, StopTimeout: patience,
			Tracer: noop.NewTracerProvider().Tracer(""), Meter: nometer.NewMeterProvider().Meter(""),
			Clock:       time.Now, //nolint:forbidigo // the wall's clock, for durations that nobody looks at
			Log:         slog.New(slog.DiscardHandler),
			ExtendEvery: s.HoldsFor / 4, BackOffMost: 200 * time.Millisecond,
		})
	})
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// recorder returns a sink that remembers what it stores.
func (s Suite) recorder(t testing.TB, b Broker) *recorder {
	t.Helper()
	if s.Sink == nil {
		return newRecorder(nil)
	}
	return newRecorder(s.Sink(t, b))
}

// await polls until missing returns nothing. On a timeout the test fails with what was still missing.
func await(t testing.TB, missing func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		lack := missing()
		if lack == "" {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %s: %s", patience, lack)
		case <-poll.C:
		}
	}
}

// awaitStored waits until n messages are stored.
func awaitStored(t testing.TB, r *recorder, n int) {
	t.Helper()
	await(t, func() string {
		if got := len(r.snapshot()); got < n {
			return fmt.Sprintf("%d of %d messages are stored", got, n)
		}
		return ""
	})
}

// complete fails unless every message of the groups is stored exactly once and, if ordered, in the order of its
// group.
func complete(t testing.TB, r *recorder, ordered bool, each int, groups ...string) {
	t.Helper()
	awaitStored(t, r, each*len(groups))
	by := map[string][]int{}
	for _, s := range r.snapshot() {
		by[s.Group] = append(by[s.Group], s.N)
	}
	for _, group := range groups {
		want := make([]int, each)
		for n := range want {
			want[n] = n
		}
		got := by[group]
		if !ordered {
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("group %s: stored %v, want 0 to %d, each once and in order", group, got, each-1)
		}
		delete(by, group)
	}
	if len(by) > 0 {
		t.Errorf("stored besides: %v", by)
	}
}

// receive waits for one batch.
func receive(t testing.TB, source ingest.Source) []ingest.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		batch, err := source.Receive(ctx)
		if err == nil && len(batch) > 0 {
			return batch
		}
		if ctx.Err() != nil {
			t.Fatalf("nothing was received: %v", err)
		}
	}
}

// nothing fails if the source has a message within the given moment. On a slow machine it may miss one; it never
// fails without cause.
func nothing(t testing.TB, source ingest.Source, moment time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	for ctx.Err() == nil {
		if batch, _ := source.Receive(ctx); len(batch) > 0 {
			t.Fatalf("%d messages came that should not: %s", len(batch), batch[0].Body)
		}
	}
}

func settle(t testing.TB, source ingest.Source, settlements ...ingest.Settlement) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := source.Settle(ctx, settlements); err != nil {
		t.Fatal(err)
	}
}

func closeSource(t testing.TB, source ingest.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := source.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

var _ ingest.Sink = (*recorder)(nil)

// ingestOne stores one message as the loop does.
func (s Suite) ingestOne(t testing.TB, sink ingest.Sink, m ingest.Message) core.Ingested {
	t.Helper()
	in, err := s.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	in.Source, in.Position = "test", m.Position
	return sink.MessageIngestMany(t.Context(), []core.IngestIn{in})[0]
}
