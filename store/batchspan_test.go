package store

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// tracedGated is a gated batcher whose callers are traced.
func tracedGated(options ...sdktrace.TracerProviderOption) (b *batcher[int, int], started chan []int, proceed chan struct{}, spans *tracetest.SpanRecorder) {
	spans = tracetest.NewSpanRecorder()
	b, started, proceed = gated(1)
	b.spans = batchSpans{sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...).Tracer(""), "work"}
	return b, started, proceed, spans
}

// caller starts the span of a caller.
func caller(t *testing.T, b *batcher[int, int]) context.Context {
	t.Helper()
	ctx, span := b.spans.tracer.Start(t.Context(), "caller")
	t.Cleanup(func() { span.End() })
	return ctx
}

// together runs calls with the given contexts in one statement, in order.
func together(t *testing.T, b *batcher[int, int], started chan []int, proceed chan struct{}, callers ...context.Context) {
	t.Helper()
	before := ask(t, b, 1)
	<-started
	done := make(chan error, len(callers))
	for i, ctx := range callers {
		go func() {
			_, err := b.do(ctx, i)
			done <- err
		}()
		waitFor(t, b, i+1)
	}
	proceed <- struct{}{}
	<-before
	if inputs := <-started; len(inputs) != len(callers) {
		t.Errorf("the statement is for %v, want %d callers", inputs, len(callers))
	}
	proceed <- struct{}{}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestBatchBelongsToTheFirstTraceAndIsLinkedWithTheOthers(t *testing.T) {
	t.Parallel()
	b, started, proceed, spans := tracedGated()
	first, third := caller(t, b), caller(t, b)
	together(t, b, started, proceed, t.Context(), first, t.Context(), third)
	waits, batches := named(spans, "work"), named(spans, "work batch")
	if len(waits) != 2 || len(batches) != 1 {
		t.Fatalf("%d callers and %d batches have a span, want 2 and 1", len(waits), len(batches))
	}
	if waits[0].Parent().SpanID() != trace.SpanContextFromContext(first).SpanID() {
		waits[0], waits[1] = waits[1], waits[0]
	}
	batch := batches[0]
	if waits[0].Parent().SpanID() != trace.SpanContextFromContext(first).SpanID() || waits[1].Parent().SpanID() != trace.SpanContextFromContext(third).SpanID() {
		t.Errorf("the callers' spans are below %v and %v", waits[0].Parent(), waits[1].Parent())
	}
	if batch.Parent().SpanID() != waits[0].SpanContext().SpanID() || attributesOf(batch)["postrider.batch_rows"] != "4" {
		t.Errorf("the batch is below %v, and says %v", batch.Parent(), batch.Attributes())
	}
	if links := batch.Links(); len(links) != 1 || !links[0].SpanContext.Equal(waits[1].SpanContext()) {
		t.Errorf("the batch is linked with %v, want %v", links, waits[1].SpanContext())
	}
	if links := waits[1].Links(); len(links) != 1 || !links[0].SpanContext.Equal(batch.SpanContext()) {
		t.Errorf("the other caller is linked with %v, want %v", links, batch.SpanContext())
	}
}

func TestBatchOfManyTracesHasABoundedNumberOfLinks(t *testing.T) {
	t.Parallel()
	b, started, proceed, spans := tracedGated()
	var callers []context.Context
	for range batchLinksMax + 10 {
		callers = append(callers, caller(t, b))
	}
	together(t, b, started, proceed, callers...)
	batch, linked := named(spans, "work batch")[0], 0
	for _, wait := range named(spans, "work") {
		linked += len(wait.Links())
	}
	if len(batch.Links()) != batchLinksMax || batch.DroppedLinks() != 0 || linked != len(callers)-1 {
		t.Errorf("the batch has %d links and dropped %d; %d callers have one, want all but the first", len(batch.Links()), batch.DroppedLinks(), linked)
	}
}

func TestBatchHasNoSpanWithoutASampledTrace(t *testing.T) {
	t.Parallel()
	b, started, proceed, spans := tracedGated(sdktrace.WithSampler(sdktrace.NeverSample()))
	together(t, b, started, proceed, t.Context(), caller(t, b))
	if n := len(spans.Started()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// TestCallersOfABatchWithoutATraceCostNothing is not parallel, as allocations of other tests would count.
//
//nolint:paralleltest // see above
func TestCallersOfABatchWithoutATraceCostNothing(t *testing.T) {
	b, _, _, _ := tracedGated(sdktrace.WithSampler(sdktrace.NeverSample()))
	unsampled := caller(t, b)
	for _, spans := range []batchSpans{b.spans, {}} {
		for name, ctx := range map[string]context.Context{"no trace": t.Context(), "a trace that is not sampled": unsampled} {
			got := testing.AllocsPerRun(100, func() {
				span := spans.start(ctx)
				_, batch := spans.startBatch(ctx, 1, nil)
				batch.End()
				spans.end(span, nil)
			})
			if got != 0 {
				t.Errorf("%s: %v allocations", name, got)
			}
		}
	}
}

func TestSpanOfACallerWhoLeavesSaysSo(t *testing.T) {
	t.Parallel()
	b, started, proceed, spans := tracedGated()
	ctx, leave := context.WithCancel(caller(t, b))
	done := make(chan error)
	go func() {
		_, err := b.do(ctx, 1)
		done <- err
	}()
	<-started
	leave()
	if err := <-done; err == nil {
		t.Error("the caller that left was answered")
	}
	proceed <- struct{}{}
	waits := named(spans, "work")
	if len(waits) != 1 || waits[0].Status().Code != codes.Error {
		t.Errorf("spans: %v", waits)
	}
}

// TestTraceShowsTheStatementThatStoredAMessageAndItsResult follows a message from the request to the recorded attempt.
func TestTraceShowsTheStatementThatStoredAMessageAndItsResult(t *testing.T) {
	t.Parallel()
	w := newTraced(t)
	w.addEndpoint(nil)
	request := w.call(func(ctx context.Context) {
		d := &takes{room: room()}
		if _, err := NewMessageInserter(w.Store, d).MessageInsert(ctx, w.event(nil)); err != nil || len(d.taken) != 1 {
			t.Fatalf("%d deliveries, %v", len(d.taken), err)
		}
		for _, retryAt := range []time.Time{now().Add(time.Hour), {}} {
			r := result(d.taken[0], retryAt)
			if _, err := w.queue().DeliveryRecord(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.queue().DeliveryPostpone(ctx, d.taken[0], now()); err != nil {
			t.Error(err)
		}
		if _, err := w.TokenRevocationExists(ctx, core.Token{Scope: core.Scope{OrgID: testOrg}}, now()); err != nil {
			t.Error(err)
		}
	})
	parents := map[trace.SpanID]sdktrace.ReadOnlySpan{}
	for _, span := range w.spans.Ended() {
		parents[span.SpanContext().SpanID()] = span
	}
	for statement, work := range map[string]string{
		"MessageInsertMany": "message_insert", "DeliveryFinishMany": "delivery_record", "DeliveryRecordMany": "delivery_record",
		"DeliveryPostponeMany": "delivery_postpone", "TokenRevocationFindMany": "token_check",
	} {
		found := named(w.spans, statement)
		if len(found) == 0 {
			t.Errorf("%s has no span", statement)
			continue
		}
		batch := parents[found[0].Parent().SpanID()]
		if batch == nil || batch.Name() != work+" batch" {
			t.Errorf("%s is below %v, want %s batch", statement, batch, work)
			continue
		}
		wait := parents[batch.Parent().SpanID()]
		if wait == nil || wait.Name() != work || wait.Parent().SpanID() != request.SpanID() {
			t.Errorf("%s batch is below %v, want %s of the request", work, wait, work)
		}
	}
}
