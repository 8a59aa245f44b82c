package delivery

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

// others schedules extra claims for applications that are not busy, so that they do not wait for the end of a round.
// A round lasts as long as it takes to send the backlog of busy applications, which may be hours, and the queues of
// other applications may come after theirs. So periodically, all queues are visited for all applications except busy
// ones.
type others struct {
	taken map[core.AppID]int // deliveries claimed in this round
	after core.Queue         // the next claim continues after it
	took  time.Duration      // time taken by the claims since the first queue
	at    time.Time          // earliest time of the next claim
}

const (
	// An application is busy if it had more than 1/busyShare of the process's capacity in a round.
	busyShare = 8

	// othersInterval is how long other applications wait, unless visiting all queues takes more than a tenth of it.
	othersInterval = 100 * time.Millisecond
	othersRest     = 10
	othersRestMax  = 5 * time.Second
)

// begin starts a new round.
func (o *others) begin(now time.Time) { *o = others{at: now.Add(othersInterval)} }

// count counts claimed deliveries by application.
func (o *others) count(deliveries []core.Delivery) {
	if o.taken == nil {
		o.taken = map[core.AppID]int{}
	}
	for _, d := range deliveries {
		o.taken[d.AppID]++
	}
}

// busy returns the applications that had more than most deliveries in the round.
func (o *others) busy(most int) (busy []core.AppID) {
	for app, n := range o.taken {
		if n > most {
			busy = append(busy, app)
		}
	}
	return busy
}

// claimForOthers claims for all applications except busy ones if the interval has passed. It reports whether it found
// anything, and in ok whether there may be room for more claims.
func (w *Worker) claimForOthers(ctx context.Context, now time.Time) (found, ok bool) {
	// A longer wait than any that is set means that the clock was set back.
	if wait := w.others.at.Sub(now); wait > 0 && wait <= othersRestMax {
		return false, true
	}
	busy := w.others.busy(w.capacity() / busyShare)
	if len(busy) == 0 {
		return false, true
	}
	claim, ok := w.claimAfter(ctx, w.others.after, busy)
	if !ok {
		return false, false
	}
	ended := w.clock()
	w.others.took += ended.Sub(now)
	if w.others.after = claim.Next; claim.Next == (core.Queue{}) {
		w.others.at = ended.Add(min(max(othersInterval, othersRest*w.others.took), othersRestMax))
		w.others.took = 0
	}
	return claim.Ended() || len(claim.Deliveries) > 0, true
}
