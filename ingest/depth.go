package ingest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Depth is how many messages there are at a broker. It is the same for all processes that share a source, so that
// only their maximum is meaningful, never their sum.
type Depth struct {
	Lag         int64 // messages not settled yet, whether they wait or are in a consumer's hands; or Unknown
	DeadLetters int64 // dead letters that are still where they were put; or Unknown
}

// Unknown is a number that a broker does not tell.
const Unknown int64 = -1

// unknown is the depth of a source before its broker has answered.
var unknown = Depth{Lag: Unknown, DeadLetters: Unknown}

// Measured is a source whose broker tells how many messages it has.
type Measured interface {
	Source

	// Depth asks the broker. One goroutine calls it, concurrently with all other methods except Close. It uses no
	// connection that messages are received or settled on, and returns soon after ctx ends. It may return a part of
	// the depth together with an error about the rest.
	Depth(ctx context.Context) (Depth, error)
}

const (
	// measureEvery is how often a broker is asked. Two calls every 15 s are 350,000 a month, which cost some 15 cents
	// on SQS.
	measureEvery   = 15 * time.Second
	measureTimeout = 10 * time.Second

	// measureFailures is how many questions in a row fail before the log says so. A single one fails whenever a broker
	// restarts, or if it is asked for a consumer that is just being created.
	measureFailures = 2
)

// gauge is the latest depth of a source.
type gauge struct{ latest atomic.Pointer[Depth] }

// measure keeps asking for the source's depth until stop is called. The depth is unknown while the broker is away.
func (l *loop) measure(ctx context.Context) (stop func()) {
	source, ok := l.Source.(Measured)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var g gauge
	g.latest.Store(&unknown)
	unregister := l.counts.observe(&g)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(l.MeasureEvery)
		defer tick.Stop()
		for failures := 0; ; {
			failures = l.ask(ctx, source, &g, failures)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		unregister()
	}
}

// ask asks for the depth once, and returns how many questions in a row have failed.
func (l *loop) ask(ctx context.Context, source Measured, g *gauge, failures int) int {
	asking, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	depth, err := source.Depth(asking)
	g.latest.Store(&depth)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if failures++; failures == measureFailures {
			l.log.Warn("source cannot be measured; no lag or no dead letters in the metrics", "error", err)
		}
		return failures
	case failures >= measureFailures:
		l.log.Info("source measured again")
	}
	return 0
}

// observe exports a depth until unregister is called. What is unknown is left out.
func (c *counts) observe(g *gauge) (unregister func()) {
	registration, err := c.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		depth := g.latest.Load()
		if depth.Lag >= 0 {
			o.ObserveInt64(c.lag, depth.Lag, c.source)
		}
		if depth.DeadLetters >= 0 {
			o.ObserveInt64(c.deadLetters, depth.DeadLetters, c.source)
		}
		return nil
	}, c.lag, c.deadLetters)
	if err != nil {
		return func() {} // the instruments are another meter's, which they are not
	}
	return func() { _ = registration.Unregister() }
}
