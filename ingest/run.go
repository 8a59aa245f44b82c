package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// Config configures the run of one source.
type Config struct {
	Name        string // in the log, and part of the messages' idempotency keys
	Type        string // in metrics, as in the configuration: kafka, sqs, rabbitmq, nats, outbox
	System      string // in traces and metrics, as OpenTelemetry calls it: kafka, aws_sqs, rabbitmq, nats, postgresql
	Destination string // in traces and metrics: the queue or stream; "": the topics of messages, which must be bounded
	Group       string // in traces and metrics: the consumers that share the messages; "": there is no such name
	Source      Source
	Sink        Sink
	Decode      Decoder
	StopTimeout time.Duration // how long a stop may take to settle stored messages
	Tracer      trace.Tracer
	Meter       metric.Meter
	Clock       func() time.Time // measures durations
	Log         *slog.Logger

	ExtendEvery  time.Duration // how often Source.Extend is called; 0: ExtendEvery
	BackOffMost  time.Duration // the longest pause between retries; 0: 15 s
	MeasureEvery time.Duration // how often Measured.Depth is called; 0: 15 s
}

const (
	// ExtendEvery is how often a broker is told that a batch is still being processed. A broker's timeout must be at
	// least twice as long.
	ExtendEvery = 10 * time.Second

	closeLeast = time.Second

	backOffLeast = 100 * time.Millisecond
	backOffMost  = 15 * time.Second

	// exhaustedMost is how often in a row the database may be out of memory or locks for a message that is alone in
	// its statement, before the message becomes a dead letter. That takes three minutes, so that whatever else used
	// up the memory or locks may end.
	exhaustedMost = 20
)

// Run stores messages from the source until ctx ends, then closes the source. It survives all failures: while the
// database is down it keeps its batch and receives no more, and while the broker is down it keeps reconnecting. After
// ctx ends, stored messages are still acknowledged, and the others go back to the broker.
func Run(ctx context.Context, c Config) {
	c.ExtendEvery = cmp.Or(c.ExtendEvery, ExtendEvery)
	c.BackOffMost = cmp.Or(c.BackOffMost, backOffMost)
	c.MeasureEvery = cmp.Or(c.MeasureEvery, measureEvery)
	l := &loop{Config: c, counts: newCounts(c), log: c.Log.With("source_name", c.Name)}
	settling, cancel := outlasting(ctx, c.StopTimeout)
	defer cancel()
	stopMeasuring := l.measure(ctx)
	for ctx.Err() == nil {
		if batch := l.receive(ctx); len(batch) > 0 {
			l.handle(ctx, settling, batch)
		}
	}
	stopMeasuring()
	// If the broker has been away until now, closing does not wait as long for it again.
	closing, cancel := outlasting(settling, closeLeast)
	defer cancel()
	if err := c.Source.Close(closing); err != nil {
		l.log.Warn("close failed", "error", err)
	}
}

type loop struct {
	Config
	counts *counts
	log    *slog.Logger
}

// receive blocks until there is a batch, however long the broker is away. It returns nil once ctx has ended.
func (l *loop) receive(ctx context.Context) (batch []Message) {
	l.persist(ctx, stepReceive, func() error {
		return l.timed(ctx, stepReceive, func() (err error) {
			batch, err = l.Source.Receive(ctx)
			return err
		})
	})
	l.countReceived(ctx, batch)
	return batch
}

// persist retries a step, with growing pauses, until it succeeds or ctx has ended.
func (l *loop) persist(ctx context.Context, step string, try func() error) (worked bool) {
	failed := false
	for wait := min(backOffLeast, l.BackOffMost); ; wait = min(2*wait, l.BackOffMost) {
		err := try()
		if err == nil {
			if failed {
				l.log.Info(step + " recovered") //nolint:sloglint // step is receive, store or settle
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		failed = true
		l.log.Error(step+" failed; retrying", "error", err, "retry_in_ms", wait.Milliseconds()) //nolint:sloglint // as above
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait/2 + rand.N(wait/2+1)): // consumers that failed together do not retry together
		}
	}
}

// handle stores a batch and settles it. Stored messages are acknowledged even after a stop has begun, within the stop
// timeout.
func (l *loop) handle(ctx, settling context.Context, batch []Message) {
	stop := l.extend(ctx, batch)
	defer stop()
	began := l.Clock()
	b := l.decode(ctx, batch)
	l.persist(ctx, "store", func() error { return l.store(ctx, b) })
	b.endSpans()
	l.countProcessed(ctx, b, l.Clock().Sub(began))
	l.settle(settling, b)
}

// settle settles a batch, and counts the dead letters once they are put aside.
func (l *loop) settle(ctx context.Context, b *batch) {
	settlements, refused := l.settlements(b)
	span := l.startSettle(ctx, b)
	var failure error
	settled := l.persist(ctx, stepSettle, func() error {
		failure = l.timed(ctx, stepSettle, func() error { return l.Source.Settle(ctx, settlements) })
		return failure
	})
	failSpan(span, failure)
	span.End()
	if !settled {
		l.log.Warn("messages not settled; they will be redelivered and recognised", "messages", len(b.messages))
		return
	}
	l.counts.refused.Add(ctx, int64(refused), l.counts.source)
}

// outlasting returns a context that ends a given time after ctx.
func outlasting(ctx context.Context, more time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-longer.Done():
		case <-time.After(more):
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// extend keeps extending a batch until stop is called.
func (l *loop) extend(ctx context.Context, batch []Message) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(l.ExtendEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := l.Source.Extend(ctx, batch); err != nil && ctx.Err() == nil {
				l.log.Warn("extend failed; another consumer may receive the messages too", "error", err)
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// batch is messages that are being stored.
type batch struct {
	messages []Message
	ins      []core.IngestIn
	outcomes []core.Ingested
	spans    []trace.Span
	traced   []trace.SpanContext // the sampled spans, once they have ended
	open     []int               // indexes of messages not stored yet

	first     int // the index of the first open message
	exhausted int // how often in a row the database was out of memory or locks for that message
}

// judge refuses the first open message after the database was out of memory or locks for it too often. Otherwise the
// messages after it would wait forever.
func (b *batch) judge() {
	if len(b.open) == 0 || !core.IsExhausted(b.outcomes[b.open[0]].Err) {
		b.exhausted = 0
		return
	}
	if b.open[0] != b.first {
		b.first, b.exhausted = b.open[0], 0
	}
	if b.exhausted++; b.exhausted >= exhaustedMost {
		b.ins[b.first].Err = errExhausted
	}
}

var errExhausted = &core.Error{
	Kind: core.KindTooLarge, Code: "exhausted",
	Message: fmt.Sprintf("The database ran out of memory or locks for it %d times in a row", exhaustedMost),
}

func (l *loop) decode(ctx context.Context, messages []Message) *batch {
	n := len(messages)
	b := &batch{
		messages: messages, ins: make([]core.IngestIn, n), outcomes: make([]core.Ingested, n),
		spans: make([]trace.Span, n), open: make([]int, n),
	}
	for i, m := range messages {
		in, err := l.read(m)
		in.Source, in.Position = l.Name, m.Position
		if err != nil {
			in.Err = &core.Error{Kind: core.KindBadRequest, Code: "unreadable", Message: err.Error()}
		}
		b.spans[i], in.TraceParent = l.startSpan(ctx, m, in)
		b.ins[i], b.open[i] = in, i
	}
	return b
}

// read decodes one message. A panic in a decoder must not end the process, because the broker would redeliver the
// same message to the next one. Such a message becomes a dead letter.
func (l *loop) read(m Message) (in core.IngestIn, err error) {
	if m.Err != nil {
		return in, m.Err
	}
	defer func() {
		if cause := recover(); cause != nil {
			l.log.Error("decoder panicked; message refused", "topic", m.Topic, "position", m.Position,
				"error", cause, "stack", string(debug.Stack()))
			in, err = core.IngestIn{}, errPanicked
		}
	}()
	return l.Decode(m)
}

var errPanicked = errors.New("it cannot be read: the decoder panicked")

// store stores the messages not stored yet. If it returns an error, some must be retried, and no message after those
// is stored.
func (l *loop) store(ctx context.Context, b *batch) error {
	ins := make([]core.IngestIn, len(b.open))
	for n, i := range b.open {
		ins[n] = b.ins[i]
	}
	// A stop does not cancel the statement: nobody would know whether it was committed.
	outcomes := l.Sink.MessageIngestMany(b.traceStoring(context.WithoutCancel(ctx)), ins)
	var failure error
	var open []int
	for n, i := range b.open {
		b.outcomes[i] = outcomes[n]
		if err := outcomes[n].Err; outcomes[n].Again() {
			failure = cmp.Or(failure, err)
			open = append(open, i)
		}
	}
	b.open = open
	b.judge()
	return failure
}

// settlements returns the verdicts on a batch and how many are refusals, and logs these.
func (l *loop) settlements(b *batch) (settlements []Settlement, refused int) {
	settlements = make([]Settlement, len(b.messages))
	known := 0
	for i, m := range b.messages {
		settlements[i].Message = m
		switch outcome := b.outcomes[i]; {
		case outcome.Again():
			settlements[i].Verdict = Retry
		case outcome.Err != nil:
			refused++
			settlements[i].Verdict, settlements[i].Reason = DeadLetter, core.Reason(outcome.Err)
			l.log.Warn("message refused; moved to dead letters", "topic", m.Topic, "position", m.Position,
				"reason", settlements[i].Reason)
		case outcome.Known:
			known++
		}
	}
	l.log.Debug("messages settled", "messages", len(b.messages), "known", known)
	return settlements, refused
}
