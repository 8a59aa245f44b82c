package store

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// batcher combines the requests of many callers into one statement. While a statement runs, requests
// queue up; as soon as it returns, all waiting requests go into the next one. No request waits for a timer:
// if no statement is running, the request starts one. A batcher need not be started or stopped.
type batcher[In, Out any] struct {
	run  func(context.Context, []In) []outcome[Out] // one outcome for each input, in order
	size func(In) int                               // bytes
	rest time.Duration                              // after a statement for several requests; 0 for none

	bytesMax int // of one statement; a larger request gets a statement of its own

	restRatio int              // after each statement, it rests this many times as long as the statement took
	clock     func() time.Time // nil if restRatio is 0

	// sort orders the waiting calls and returns how many of them fit into one statement. If it is nil, they run
	// in order of arrival.
	sort func([]*call[In, Out]) int

	spans batchSpans

	bounded bool // at most waitingRowsMax and waitingBytesMax may wait; further requests are refused immediately

	mu      sync.Mutex
	waiting []*call[In, Out] // some of them may have left
	rows    int              // number of waiting calls that have not left
	bytes   int              // size of those calls
	running bool
}

type outcome[Out any] struct {
	out Out
	err error
}

type call[In, Out any] struct {
	in      In
	bytes   int
	span    trace.Span        // of the caller; nil if it is not recorded
	done    chan outcome[Out] // buffered, so that a caller that has left blocks nobody
	left    bool              // the caller left before the call was in a statement
	running bool              // it is in a statement
}

// These limits bound one statement. They are high enough that a larger statement would not be cheaper per row, and
// low enough that a burst of large payloads stays a small part of memory.
const (
	batchRowsMax  = 512
	batchBytesMax = 8 << 20
)

// These limits bound the requests that wait: as much as statements handle in some seconds. While the database does
// not answer, more would fill memory with requests whose clients give up.
const (
	waitingRowsMax  = 64 * batchRowsMax
	waitingBytesMax = 8 * batchBytesMax
)

func newBatcher[In, Out any](run func(context.Context, []In) []outcome[Out], size func(In) int) *batcher[In, Out] {
	return &batcher[In, Out]{run: run, size: size, bytesMax: batchBytesMax}
}

// do runs one request in the next statement. It stops waiting when ctx ends. If the request is in a statement by
// then, it may still be carried out; otherwise it is not.
func (b *batcher[In, Out]) do(ctx context.Context, in In) (Out, error) {
	c := &call[In, Out]{in: in, bytes: b.size(in), span: b.spans.start(ctx), done: make(chan outcome[Out], 1)}
	out, err := b.await(ctx, c)
	b.spans.end(c.span, err)
	return out, err
}

// await enqueues a call and waits until it is done or ctx ends.
func (b *batcher[In, Out]) await(ctx context.Context, c *call[In, Out]) (none Out, err error) {
	if err := b.enqueue(c); err != nil {
		return none, err
	}
	select {
	case o := <-c.done:
		return o.out, o.err
	case <-ctx.Done():
		b.leave(c)
		return none, mapError(ctx.Err())
	}
}

// enqueue adds a call to the next statement, and starts that statement if none is running.
func (b *batcher[In, Out]) enqueue(c *call[In, Out]) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bounded && (b.rows >= waitingRowsMax || b.bytes >= waitingBytesMax) {
		return core.TooBusy("Too many requests are waiting to be stored; retry later")
	}
	b.waiting = append(b.waiting, c)
	b.rows, b.bytes = b.rows+1, b.bytes+c.bytes
	if !b.running {
		b.running = true
		go b.drain()
	}
	return nil
}

// leave removes a call from the queue if it is still waiting.
func (b *batcher[In, Out]) leave(c *call[In, Out]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.running {
		return
	}
	var none In
	c.left, c.in = true, none // frees its memory
	b.rows, b.bytes = b.rows-1, b.bytes-c.bytes
	if b.rows < len(b.waiting)/2 {
		b.compact()
	}
}

// compact removes the calls that have left.
func (b *batcher[In, Out]) compact() {
	b.waiting = slices.DeleteFunc(b.waiting, func(c *call[In, Out]) bool { return c.left })
}

// drain runs statements until no call is waiting.
func (b *batcher[In, Out]) drain() {
	for batch := b.take(); len(batch) > 0; batch = b.take() {
		b.answerAndRest(batch)
		b.settle(len(batch))
	}
}

// statementRestMax limits a rest: the clock may be set forward during a statement.
const statementRestMax = time.Second

// answerAndRest answers a batch, and then rests for b.restRatio times as long as that took, up to statementRestMax.
func (b *batcher[In, Out]) answerAndRest(batch []*call[In, Out]) {
	if b.restRatio == 0 {
		b.answer(batch)
		return
	}
	began := b.clock()
	b.answer(batch)
	<-time.After(min(time.Duration(b.restRatio)*b.clock().Sub(began), statementRestMax))
}

// settle lets goroutines that are ready to make a request do so before the next statement starts. If b.rest is set,
// it also rests after a statement for several requests, so that the next one carries more.
func (b *batcher[In, Out]) settle(rows int) {
	if b.rest > 0 && rows > 1 {
		<-time.After(b.rest)
	}
	runtime.Gosched()
}

func (b *batcher[In, Out]) answer(batch []*call[In, Out]) {
	inputs := make([]In, len(batch))
	var spans []trace.Span
	for i, c := range batch {
		inputs[i] = c.in
		if c.span != nil {
			spans = append(spans, c.span)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
	defer cancel()
	ctx, span := b.spans.startBatch(ctx, len(batch), spans)
	outcomes := b.run(ctx, inputs)
	span.End()
	for i, o := range outcomes {
		batch[i].done <- o
	}
}

// take removes the next batch. If there is none, it marks the batcher idle.
func (b *batcher[In, Out]) take() []*call[In, Out] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rows < len(b.waiting) {
		b.compact()
	}
	fit := len(b.waiting)
	if b.sort != nil {
		fit = b.sort(b.waiting)
	}
	n, bytes := 0, 0
	for n < fit && n < batchRowsMax && bytes < b.bytesMax {
		bytes += b.waiting[n].bytes
		b.waiting[n].running = true
		n++
	}
	b.rows, b.bytes = b.rows-n, b.bytes-bytes
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil // frees the array
	}
	b.running = n > 0
	return batch
}

// separately runs a statement for all inputs. If Postgres refuses it because of one row's content, separately
// halves the inputs until that row fails alone. It runs nothing after a failure that no row caused: otherwise
// a source's later messages would be stored before the ones that are retried.
func separately[In, Out any](inputs []In, run func([]In) ([]outcome[Out], error)) []outcome[Out] {
	var outcomes []outcome[Out]
	err := retried(func() (err error) {
		outcomes, err = run(inputs)
		return err
	})
	if err == nil {
		return outcomes
	}
	half := len(inputs) / 2
	switch {
	case !isRefusal(err):
		return failures[Out](len(inputs), mapError(err))
	case half == 0 && isBadData(err):
		return failures[Out](1, core.Unstorable(err))
	case half == 0:
		return failures[Out](1, mapError(err))
	}
	first := separately(inputs[:half], run)
	if err := firstAgain(first); err != nil {
		return append(first, failures[Out](len(inputs)-half, err)...)
	}
	return append(first, separately(inputs[half:], run)...)
}

// firstAgain returns the first error that no row caused, or nil.
func firstAgain[Out any](outcomes []outcome[Out]) error {
	for _, o := range outcomes {
		if core.Again(o.err) {
			return o.err
		}
	}
	return nil
}

func failures[Out any](n int, err error) []outcome[Out] {
	return slices.Repeat([]outcome[Out]{{err: err}}, n)
}
