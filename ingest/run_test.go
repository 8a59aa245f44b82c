package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	nometer "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
)

// fakeSource delivers batches and records their verdicts.
type fakeSource struct {
	mu       sync.Mutex
	batches  [][]Message
	failing  int // how often Settle still fails
	settled  []string
	tried    int
	extended int
	closed   bool
}

func (f *fakeSource) Check(context.Context) error { return nil }

func (f *fakeSource) Receive(ctx context.Context) ([]Message, error) {
	f.mu.Lock()
	if len(f.batches) > 0 {
		batch := f.batches[0]
		f.batches = f.batches[1:]
		f.mu.Unlock()
		return batch, nil
	}
	f.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f *fakeSource) Extend(_ context.Context, messages []Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extended += len(messages)
	return nil
}

func (f *fakeSource) Settle(_ context.Context, settlements []Settlement) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tried++; f.failing > 0 {
		f.failing--
		return errors.New("away")
	}
	for _, s := range settlements {
		verdict := map[Verdict]string{Ack: "ack", Retry: "retry", DeadLetter: "dead: " + s.Reason}[s.Verdict]
		f.settled = append(f.settled, s.Message.Position+" "+verdict)
	}
	return nil
}

func (f *fakeSource) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeSource) await(t *testing.T, n int) []string {
	t.Helper()
	var settled []string
	awaitThat(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		settled = slices.Clone(f.settled)
		return len(settled) >= n
	})
	return settled
}

func awaitThat(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// fakeSink returns configured results, and records its calls.
type fakeSink struct {
	mu      sync.Mutex
	asked   [][]string
	seen    []core.IngestIn
	answers func(call int, in core.IngestIn) core.Ingested
}

func (f *fakeSink) MessageIngestMany(_ context.Context, ins []core.IngestIn) []core.Ingested {
	f.mu.Lock()
	defer f.mu.Unlock()
	outcomes := make([]core.Ingested, len(ins))
	var positions []string
	for i, in := range ins {
		positions = append(positions, in.Position)
		if outcomes[i].Err = in.Err; in.Err == nil && f.answers != nil {
			outcomes[i] = f.answers(len(f.asked), in)
		}
	}
	f.asked, f.seen = append(f.asked, positions), append(f.seen, ins...)
	return outcomes
}

func (f *fakeSink) calls() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// batchOf returns messages with these positions; a position that begins with "bad" makes a message unreadable.
func batchOf(positions ...string) (batch []Message) {
	for _, p := range positions {
		body := `{"application": "acme", "eventType": "a", "payload": {}}`
		if strings.HasPrefix(p, "bad") {
			body = "{"
		}
		batch = append(batch, Message{Topic: "orders", Position: p, Body: []byte(body)})
	}
	return batch
}

// start runs the loop until stop is called.
func start(t *testing.T, source Source, sink Sink, tracer trace.Tracer) (stop func()) {
	t.Helper()
	return startWith(t, Config{Source: source, Sink: sink, Tracer: tracer, Meter: uncounted, Log: slog.New(slog.DiscardHandler)})
}

// startWith runs the loop as configured, with defaults for what no test is about.
func startWith(t *testing.T, c Config) (stop func()) {
	t.Helper()
	var err error
	if c.Decode, err = (Format{}).Decoder(org); err != nil {
		t.Fatal(err)
	}
	c.Name, c.Type, c.System, c.Clock, c.StopTimeout = "test", "fake", "fake_mq", time.Now, time.Minute
	c.ExtendEvery, c.BackOffMost, c.MeasureEvery = 5*time.Millisecond, 10*time.Millisecond, 5*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { Run(ctx, c) })
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

var (
	untraced  = noop.NewTracerProvider().Tracer("")
	uncounted = nometer.NewMeterProvider().Meter("")
)

var (
	errAway = &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Message: "away"}
	errOurs = errors.New("a bug of ours")
)

func TestEachMessageGetsItsVerdict(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1", "bad2", "3", "4"), batchOf("5")}}
	sink := &fakeSink{answers: func(_ int, in core.IngestIn) core.Ingested {
		if in.Position == "3" {
			return core.Ingested{Err: core.Invalid("is too long", "body", "channels")}
		}
		return core.Ingested{Known: in.Position == "4"}
	}}
	stop := start(t, source, sink, untraced)
	got := source.await(t, 5)
	want := []string{"1 ack", "bad2 dead: Validation error; The body is not JSON: it is cut off after byte 1", "3 dead: Validation error; channels: is too long", "4 ack", "5 ack"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if stop(); !source.closed {
		t.Error("the source was not closed")
	}
}

// Neither an unavailable database nor a bug of ours is the message's fault.
func TestWhatCannotBeStoredNowIsStoredLaterInOrder(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errAway, errOurs} {
		source := &fakeSource{batches: [][]Message{batchOf("1", "2", "3"), batchOf("4")}}
		sink := &fakeSink{answers: func(call int, in core.IngestIn) core.Ingested {
			if call < 3 && in.Position != "1" {
				return core.Ingested{Err: failure}
			}
			return core.Ingested{}
		}}
		start(t, source, sink, untraced)
		if got := source.await(t, 4); !slices.Equal(got, []string{"1 ack", "2 ack", "3 ack", "4 ack"}) {
			t.Errorf("%v: got %q", failure, got)
		}
		want := [][]string{{"1", "2", "3"}, {"2", "3"}, {"2", "3"}, {"2", "3"}, {"4"}}
		if got := sink.calls(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: stored %v, want %v", failure, got, want)
		}
	}
}

func TestStopWhileTheDatabaseIsAwayGivesTheRestBack(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1", "2", "3"), batchOf("4")}}
	sink := &fakeSink{answers: func(_ int, in core.IngestIn) core.Ingested {
		if in.Position != "1" {
			return core.Ingested{Err: errAway}
		}
		return core.Ingested{}
	}}
	stop := start(t, source, sink, untraced)
	awaitThat(t, func() bool { return len(sink.calls()) > 3 })
	stop()
	if got := source.await(t, 3); !slices.Equal(got, []string{"1 ack", "2 retry", "3 retry"}) || !source.closed {
		t.Errorf("got %q, closed: %t", got, source.closed)
	}
}

func TestSettlingIsTriedUntilItWorksEvenWhenStopped(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1"), batchOf("2")}, failing: 20}
	sink := &fakeSink{}
	stop := start(t, source, sink, untraced)
	awaitThat(t, func() bool {
		source.mu.Lock()
		defer source.mu.Unlock()
		return source.tried > 2
	})
	stop()
	if got := source.await(t, 1); !slices.Equal(got, []string{"1 ack"}) {
		t.Errorf("got %q", got)
	}
	if got := sink.calls(); len(got) != 1 {
		t.Errorf("stored %v while a batch was not settled", got)
	}
}

func TestBatchThatIsWorkedOnIsExtended(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1", "2")}}
	sink := &fakeSink{answers: func(int, core.IngestIn) core.Ingested { return core.Ingested{Err: errAway} }}
	start(t, source, sink, untraced)
	awaitThat(t, func() bool {
		source.mu.Lock()
		defer source.mu.Unlock()
		return source.extended >= 10
	})
}

func TestMessageThatItsSourceCannotReadIsADeadLetter(t *testing.T) {
	t.Parallel()
	batch := batchOf("1", "2")
	batch[0].Err = errors.New("the envelope is torn")
	source := &fakeSource{batches: [][]Message{batch}}
	start(t, source, &fakeSink{}, untraced)
	if got, want := source.await(t, 2), []string{"1 dead: the envelope is torn", "2 ack"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A message for which the database never has enough memory becomes a dead letter, and those after it continue.
func TestMessageThatExhaustsTheDatabaseIsPutAside(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1", "2", "3")}}
	sink := &fakeSink{answers: func(call int, in core.IngestIn) core.Ingested {
		if call < exhaustedMost && in.Position != "1" { // the messages after it were not tried
			return core.Ingested{Err: core.Exhausted(nil)}
		}
		return core.Ingested{}
	}}
	start(t, source, sink, untraced)
	want := []string{"1 ack", "2 dead: " + errExhausted.Message, "3 ack"}
	if got := source.await(t, 3); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if calls := len(sink.calls()); calls != exhaustedMost+1 {
		t.Errorf("stored in %d calls, want %d", calls, exhaustedMost+1)
	}
}

// If the database is temporarily out of memory, no message is lost.
func TestMessageThatExhaustsTheDatabaseNowAndThenIsStored(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{batchOf("1")}}
	sink := &fakeSink{answers: func(call int, _ core.IngestIn) core.Ingested {
		switch {
		case call == 3*exhaustedMost:
			return core.Ingested{}
		case call%exhaustedMost == exhaustedMost-1:
			return core.Ingested{Err: errAway}
		}
		return core.Ingested{Err: core.Exhausted(nil)}
	}}
	start(t, source, sink, untraced)
	if got := source.await(t, 1); !slices.Equal(got, []string{"1 ack"}) {
		t.Errorf("got %q", got)
	}
}
