package delivery

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

// others is claims for applications that do not wait for the end of a round. A round goes on for as long as it takes to
// send what busy applications have waiting, which may be hours, and other applications have queues after theirs. So from
// time to time all queues are gone through for all but busy applications.
type others struct {
	taken map[core.AppID]int // by claims in this round
	after core.Queue         // the next claim goes on after it
	took  time.Duration      // by the claims since the first queue
	at    time.Time          // when the next claim may be
}

const (
	// busyShare makes an application busy that had this part of the process's capacity in a round.
	busyShare = 8

	// othersInterval is how long others wait, unless going through all queues takes more than a tenth of it.
	othersInterval = 100 * time.Millisecond
	othersRest     = 10
)

// begin begins a round.
func (o *others) begin(now time.Time) { *o = others{at: now.Add(othersInterval)} }

// count notes for whom deliveries were claimed.
func (o *others) count(deliveries []core.Delivery) {
	if o.taken == nil {
		o.taken = map[core.AppID]int{}
	}
	for _, d := range deliveries {
		o.taken[d.AppID]++
	}
}

// busy lists the applications that had more than this many deliveries in the round.
func (o *others) busy(most int) (busy []core.AppID) {
	for app, n := range o.taken {
		if n > most {
			busy = append(busy, app)
		}
	}
	return busy
}

// claimForOthers makes a claim for others than busy applications, if it is time. It reports whether it found anything.
func (w *Worker) claimForOthers(ctx context.Context, now time.Time) (found bool) {
	if now.Before(w.others.at) {
		return false
	}
	busy := w.others.busy(w.capacity() / busyShare)
	if len(busy) == 0 {
		return false
	}
	claim, ok := w.claimAfter(ctx, w.others.after, busy)
	if !ok {
		return false
	}
	ended := w.clock()
	w.others.took += ended.Sub(now)
	if w.others.after = claim.Next; claim.Next == (core.Queue{}) {
		w.others.at = ended.Add(max(othersInterval, othersRest*w.others.took))
		w.others.took = 0
	}
	return claim.Ended() || len(claim.Deliveries) > 0
}
