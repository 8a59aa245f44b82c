package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/postrider/postrider/core"
)

// trouble is why an attempt could not be made, for a reason that is not the endpoint's fault: this process is out of
// descriptors, the resolver does not answer, or the proxy is down. Such an attempt is not recorded. It uses no retry
// and does not count for the circuit breaker; its delivery is postponed.
type trouble struct {
	cause string // a fixed text, for the log
	err   error
	local bool // one destination is affected, not the whole process
}

func (t *trouble) Error() string { return t.cause + ": " + t.err.Error() }

func (t *trouble) Unwrap() error { return t.err }

func isTrouble(err error) bool {
	_, ok := errors.AsType[*trouble](err)
	return ok
}

// Causes of trouble.
const (
	noDescriptors = "out of file descriptors"
	noMemory      = "out of memory for sockets"
	noPorts       = "out of local ports"
	noNetwork     = "the network of this machine is down"
	noResolver    = "the name server answers for no name"
	noProxy       = "the proxy cannot be used"
)

var troubleErrnos = map[syscall.Errno]string{
	syscall.EMFILE: noDescriptors, syscall.ENFILE: noDescriptors,
	syscall.ENOMEM: noMemory, syscall.ENOBUFS: noMemory,
	syscall.EAGAIN: noPorts, syscall.EADDRNOTAVAIL: noPorts,
	syscall.ENETDOWN: noNetwork,
}

// troubleOf returns the trouble that a system call's error indicates, or nil if there is none.
func troubleOf(err error) *trouble {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return nil
	}
	cause, ok := troubleErrnos[errno]
	if !ok {
		return nil
	}
	return &trouble{cause: cause, err: err, local: cause == noPorts}
}

// Attempts are postponed for postponeMin at first, and twice as long each time up to postponeMax. This is logged at
// most once per troublePeriod.
const (
	postponeMin   = time.Second
	postponeMax   = 30 * time.Second
	troublePeriod = 30 * time.Second
	settleAfter   = 5 * time.Second
)

// troubles keeps track of trouble while it lasts.
type troubles struct {
	clock func() time.Time
	log   *slog.Logger

	lasting atomic.Bool

	mu       sync.Mutex
	since    time.Time
	wait     time.Duration
	until    time.Time // attempts are postponed until then
	paused   time.Time // nothing is claimed until then
	loggedAt time.Time
	count    int
}

// postpone records trouble, and returns when to try the delivery again.
func (t *troubles) postpone(cause *trouble) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	if !t.lasting.Load() {
		t.lasting.Store(true)
		t.since, t.wait, t.count, t.loggedAt = now, 0, 0, time.Time{}
	}
	if !now.Before(t.until) {
		t.wait = min(max(postponeMin, 2*t.wait), postponeMax)
		t.until = now.Add(t.wait)
	}
	if !cause.local {
		t.paused = t.until
	}
	if t.count++; now.Sub(t.loggedAt) >= troublePeriod {
		t.loggedAt = now
		t.log.Error("attempts postponed; deliveries keep their retries", "cause", cause.cause, "error", cause.err,
			"attempts", t.count, "lasting_ms", now.Sub(t.since).Milliseconds(), "retry_in_ms", t.until.Sub(now).Milliseconds())
	}
	return t.until.Add(rand.N(t.wait / 2))
}

// settle ends the trouble if no attempt has met it for a while. The postponed deliveries have been tried again by
// then.
func (t *troubles) settle() {
	if !t.lasting.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.clock(); now.Sub(t.until) >= max(t.wait, settleAfter) {
		t.lasting.Store(false)
		t.log.Info("attempts resumed", "postponed", t.count, "lasted_ms", t.until.Sub(t.since).Milliseconds())
	}
}

// pausing reports whether claims are paused, because an attempt would only meet the same trouble.
func (t *troubles) pausing(now time.Time) bool {
	if !t.lasting.Load() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.paused)
}

// postpone gives a delivery back to be tried again at the given time, or at once if that is now.
func (w *Worker) postpone(d core.Delivery, until time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := w.queue.DeliveryPostpone(ctx, d, until); err != nil {
		w.log.Warn("postpone failed; the lease will expire", "message", d.MessageID, "endpoint", d.EndpointID, "error", err)
	}
}
