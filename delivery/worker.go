// Package delivery sends webhooks. It claims deliveries or receives them from the statement that stored them, signs
// and sends each, blocks addresses it must not reach, and records the results. It accesses the database only through
// core's ports, and does not know the API.
package delivery

import (
	"context"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	nometrics "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
)

// Config configures a worker.
type Config struct {
	Concurrency         int           // maximum number of concurrent attempts
	EndpointConcurrency int           // maximum number of concurrent attempts per endpoint
	IdleConnections     int           // maximum number of idle connections kept
	RequestTimeout      time.Duration // limit of a whole attempt, from name resolution to the last byte
	Lease               time.Duration // how long a claimed delivery is kept from other workers
	StopTimeout         time.Duration // how long Run waits for attempts in flight after ctx ends
	RetrySchedule       core.RetrySchedule
	AllowSubnets        []netip.Prefix // special-purpose subnets that may be reached
	UserAgent           string
	Proxy               *Proxy         // if nil, endpoints are reached directly
	Roots               *x509.CertPool // authorities for receivers' certificates; if nil, the system's
	Tracer              trace.Tracer   // traces attempts; if nil, they are not traced
	Meter               metric.Meter   // counts attempts; if nil, they are not counted
	MeterApplications   bool           // label what is counted with the application
	SendTraceParent     bool           // send receivers the trace context of the attempt
	PayloadBytes        int            // memory for large payloads; if 0, 64 MiB
	resolver            *net.Resolver  // tests have their own
}

// Worker makes deliveries. It is also the dispatcher that receives fresh deliveries without a claim.
type Worker struct {
	config Config
	queue  core.DeliveryQueue
	clock  func() time.Time
	log    *slog.Logger
	*dispatcher
	sender   *sender
	troubles *troubles
	health   *healthLog
	results  *resultLog
	metrics  *metrics
	wake     chan struct{} // holds one signal: a waiting delivery may be due
	fresh    chan struct{} // holds one signal: deliveries may have been stored
	next     chan struct{} // holds one signal: the next delivery of a FIFO endpoint is due
	behind   bool          // the last take left fresh deliveries; used only by takes
	after    core.Queue    // the next claim continues after it; used only by claims, as are others and roundAt
	others   others        // extra claims for applications that are not busy
	roundAt  time.Time     // polls do not claim before then
	lateAt   atomic.Int64  // when logLate last logged, in Unix nanoseconds
}

var _ core.Dispatcher = (*Worker)(nil)

// New returns a worker that does nothing until Run.
func New(config Config, queue core.DeliveryQueue, clock func() time.Time, log *slog.Logger) *Worker {
	if config.Tracer == nil {
		config.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if config.Meter == nil {
		config.Meter = nometrics.NewMeterProvider().Meter("")
	}
	w := &Worker{
		config: config, queue: queue, clock: clock, log: log,
		sender:   newSender(config, clock),
		troubles: &troubles{clock: clock, log: log},
		health:   newHealthLog(log, clock),
		results:  newResultLog(log, clock),
		metrics:  newMetrics(config.Meter, config.MeterApplications),
		wake:     make(chan struct{}, 1),
		fresh:    make(chan struct{}, 1),
		next:     make(chan struct{}, 1),
	}
	w.dispatcher = newDispatcher(config, w.attempt, w.wakeClaims, w.WakeFresh)
	w.observe(config.Meter)
	return w
}

// Wake makes the worker look for deliveries that are due or were stored now. It never blocks.
func (w *Worker) Wake() {
	w.wakeClaims()
	w.WakeFresh()
}

// wakeClaims makes the worker look for due deliveries now.
func (w *Worker) wakeClaims() { signal(w.wake) }

// WakeFresh makes the worker look for deliveries that were just stored. It never blocks.
func (w *Worker) WakeFresh() { signal(w.fresh) }

// signal sends to a channel of capacity one unless it is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // the receiver is about to look anyway
	}
}

const (
	// pollInterval is how often the worker looks without being woken: for retries that became due, for leases that ran
	// out, and for lost notifications.
	pollInterval = time.Second

	// Looking at thousands of queues takes a while. Polls that find nothing take at most a fiftieth of the time, but are
	// never more than roundRestMax apart.
	roundRest    = 50
	roundRestMax = 5 * time.Second
)

// Run claims and delivers until ctx ends. Then it starts no more attempts, lets those in flight finish within
// Config.StopTimeout, cancels the rest, and gives back the leases of all deliveries whose attempt did not finish.
func (w *Worker) Run(ctx context.Context) {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { w.sweeps(ctx) })
	beside.Go(func() { w.takes(ctx) })
	w.claims(ctx)
	w.release(w.stop(w.config.StopTimeout))
}

// claims expires leases and claims due deliveries until ctx ends.
func (w *Worker) claims(ctx context.Context) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for expire, claim := true, true; ctx.Err() == nil; {
		if !w.look(ctx, expire, claim) {
			rest(ctx, w.next)
		}
		expire, claim = false, false
		select {
		case <-ctx.Done():
		case <-poll.C:
			w.troubles.settle()
			expire, claim = true, !w.clock().Before(w.roundAt)
		case <-w.wake:
			claim = true
		}
	}
}

// takes takes fresh deliveries until ctx ends. It runs concurrently with claims, because either may have a backlog
// that takes hours to send.
func (w *Worker) takes(ctx context.Context) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for ctx.Err() == nil {
		if !w.take(ctx) {
			rest(ctx, nil)
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		case <-w.fresh:
		}
	}
}

// emptyRest is how long the worker pauses after it found nothing: it may be woken a thousand times a second for
// deliveries that other workers take, or that it may not take.
const emptyRest = 20 * time.Millisecond

// rest waits for emptyRest, or until cut receives or ctx ends.
func rest(ctx context.Context, cut <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-time.After(emptyRest):
	case <-cut:
	}
}

// wakeForNext makes the worker look at once for deliveries that waited for one that has just ended.
func (w *Worker) wakeForNext() {
	signal(w.next)
	w.wakeClaims()
}

// Reserve reserves room for fresh deliveries. It reserves none while attempts would only be postponed.
func (w *Worker) Reserve(now time.Time) core.Room {
	if w.troubles.pausing(now) {
		return core.Room{Fresh: true, LeasedUntil: now}
	}
	return w.dispatcher.Reserve(now)
}

// logEnded logs the deliveries that a claim ended, because nothing else reports them.
func (w *Worker) logEnded(claim core.Claim) {
	for _, d := range claim.Dropped {
		w.log.Warn("delivery dropped; nothing left to send", "reason", d.Reason, "application", d.AppID,
			"message", d.MessageID, "endpoint", d.EndpointID, "attempts", d.Attempts)
	}
	for _, e := range claim.Withdrawn {
		w.log.Info("deliveries dropped; endpoint disabled or deleted", "application", e.AppID,
			"endpoint", e.EndpointID, "deliveries", e.Deliveries)
	}
}

// wakeAt makes the worker look again at the given time if the next poll comes later. It waits at least emptyRest, so
// that the deliveries a rate allows in that time are claimed together.
func (w *Worker) wakeAt(at time.Time) {
	if wait := at.Sub(w.clock()); !at.IsZero() && wait < pollInterval {
		time.AfterFunc(max(wait, emptyRest), w.wakeClaims)
	}
}

// Recall gives back the deliveries of an application that this process holds and has not begun, or those of all
// applications if app is empty. Deliveries that are still to be sent are claimed again in their current state.
func (w *Worker) Recall(app core.AppID) { w.release(w.recall(app)) }

// release gives leases back.
func (w *Worker) release(deliveries []core.Delivery) {
	if len(deliveries) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := w.queue.DeliveryRelease(ctx, deliveries, w.clock()); err != nil {
		w.log.Warn("lease release failed; the leases will expire", "deliveries", len(deliveries), "error", err)
	}
}

const releaseTimeout = 5 * time.Second

// attempt sends one delivery and records the result; in between it calls sent. It returns false if it was cut off and
// the lease must still be given back.
func (w *Worker) attempt(ctx context.Context, q *queued, sent func()) bool {
	until, ok := w.load(ctx, q)
	if ok && !w.inTime(q.Delivery) {
		w.logLate()
		until, ok = w.clock(), false // rather than leave it until its lease expires
	}
	if !ok {
		sent()
		w.postpone(q.Delivery, until)
		return true
	}
	sending, span := w.startSpan(ctx, q.Delivery)
	o := w.sender.send(sending, q.Delivery)
	cut := ctx.Err() != nil && o.Status != core.StatusSuccess
	endSpan(span, q.Delivery, o, cut)
	sent()
	d := q.Delivery // without the payload: recording may take as long as the database is unavailable
	if cut {
		return false
	}
	if o.trouble != nil {
		w.postpone(d, w.troubles.postpone(o.trouble))
		return true
	}
	w.metrics.requested(sending, o)
	w.record(sending, d, w.result(d, o.Attempt, o.retryAfter), o.replays)
	return true
}

// result returns the result of an attempt. A manual attempt does not change the retry schedule.
func (w *Worker) result(d core.Delivery, attempt core.Attempt, retryAfter time.Duration) core.Result {
	result := core.Result{
		Attempt: attempt, Lease: d.Lease, Attempts: d.Attempts, Failing: d.Failing, Subject: d.Subject,
		Gone: attempt.ResponseStatusCode == http.StatusGone, PauseUntil: w.pauseUntil(attempt.ResponseStatusCode, retryAfter),
	}
	switch {
	case d.Manual && attempt.Status == core.StatusSuccess:
	case d.Manual && d.ResumeAt != nil:
		result.NextAt = *d.ResumeAt
	case !d.Manual:
		result.Attempts++
		if attempt.Status != core.StatusSuccess && !result.Gone {
			result.NextAt = w.nextAt(result.Attempts, retryAfter)
		}
	}
	return result
}

// pauseUntil returns until when an endpoint that reports overload is paused as a whole, not just for this message.
func (w *Worker) pauseUntil(status int16, retryAfter time.Duration) time.Time {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return time.Time{}
	}
	return w.clock().Add(core.SlowDown(retryAfter))
}

// inTime reports whether the lease leaves enough time to make an attempt and record it. A delivery that waited too
// long in this process could otherwise be sent twice.
func (w *Worker) inTime(d core.Delivery) bool {
	slack := w.config.Lease - w.config.RequestTimeout
	return d.LeasedUntil.Sub(w.clock()) >= w.config.RequestTimeout+slack/2
}

// logLate logs, at most once per troublePeriod, that deliveries waited too long in this process.
func (w *Worker) logLate() {
	now := w.clock().UnixNano()
	if last := w.lateAt.Load(); now-last >= int64(troublePeriod) && w.lateAt.CompareAndSwap(last, now) {
		w.log.Warn("deliveries queued too long; leases released",
			"lease_ms", w.config.Lease.Milliseconds(), "request_timeout_ms", w.config.RequestTimeout.Milliseconds())
	}
}

// nextAt returns when to try again after the given number of attempts, or the zero time if there are no retries left.
func (w *Worker) nextAt(attempts int, retryAfter time.Duration) time.Time {
	wait, again := w.config.RetrySchedule.Next(attempts, retryAfter, rand.Float64())
	if !again {
		return time.Time{}
	}
	return w.clock().Add(wait)
}

// record records a result, and retries while the lease holds. Meanwhile the attempt still counts as in flight, so
// that a worker that cannot record results soon stops sending.
func (w *Worker) record(ctx context.Context, d core.Delivery, result core.Result, replays int) {
	for wait := recordRetryMin; ; wait = min(2*wait, recordRetryMax) {
		recorded, err := w.queue.DeliveryRecord(context.WithoutCancel(ctx), result)
		if err == nil {
			w.recorded(ctx, d, result, replays, recorded.Held)
			w.metrics.attempted(ctx, result.Attempt, w.clock())
			w.health.write(ctx, result, recorded.Health)
			if recorded.Resting {
				w.release(w.rest(d.EndpointID))
			}
			if d.Ordered {
				w.wakeForNext()
			}
			return
		}
		if !w.pause(ctx, wait, d.LeasedUntil) {
			w.log.Error("attempt recording failed; will be sent again", "message", d.MessageID,
				"endpoint", d.EndpointID, "error", err)
			return
		}
	}
}

// pause waits for the given time. It returns false if that would exceed until, or if ctx ended.
func (w *Worker) pause(ctx context.Context, wait time.Duration, until time.Time) bool {
	if w.clock().Add(wait).After(until) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

const (
	recordRetryMin = 100 * time.Millisecond
	recordRetryMax = 5 * time.Second
)

// recorded logs a result that was recorded, and makes sure that a retry that is due soon does not wait for a poll.
func (w *Worker) recorded(ctx context.Context, d core.Delivery, result core.Result, replays int, held bool) {
	w.results.write(ctx, d, result, replays, held)
	if !held || result.Attempt.Status == core.StatusSuccess || result.NextAt.IsZero() {
		return
	}
	if wait := result.NextAt.Sub(w.clock()); wait < pollInterval {
		time.AfterFunc(wait, w.Wake)
	}
}
