package delivery

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

// look expires leases if expire is set and claims deliveries if claim is set. It reports whether it found anything to
// send. It stops after a failure, because the rest would fail too and fill the log.
func (w *Worker) look(ctx context.Context, expire, claim bool) (found bool) {
	if expire && !w.expire(ctx) {
		return false
	}
	return claim && w.claimRound(ctx)
}

// expire ends the leases that ran out, which makes their deliveries due. It reports whether it succeeded.
func (w *Worker) expire(ctx context.Context) (ok bool) {
	if w.troubles.pausing(w.clock()) {
		return true
	}
	n, err := w.queue.DeliveryExpire(context.WithoutCancel(ctx), w.clock())
	if err != nil {
		w.log.Error("lease expiry failed; retrying", "error", err)
	}
	if n > 0 {
		w.wakeClaims()
	}
	return err == nil
}

const (
	// sweepInterval is how often a worker looks for deliveries that it missed because of a restore, a crash or a clock
	// change. Sweeps take at most a fiftieth of the time.
	sweepInterval = 5 * time.Minute
	sweepRest     = 50
	sweepRetry    = 5 * time.Second
)

// sweeps looks for deliveries that takes, claims and expiries have missed, at once and then periodically, until ctx
// ends. A sweep may take minutes while another session holds a snapshot; nothing waits for it.
func (w *Worker) sweeps(ctx context.Context) {
	for rest := time.Duration(0); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
		began := w.clock()
		n, err := w.queue.DeliverySweep(ctx, began)
		rest = max(sweepInterval, sweepRest*w.clock().Sub(began))
		if err != nil && ctx.Err() == nil {
			w.log.Error("sweep failed; retrying", "error", err)
			rest = sweepRetry
		}
		if n > 0 {
			w.Wake()
		}
	}
}

// takeRead is how many fresh deliveries a take reads while there are more of them than there is room for. The
// deliveries ahead of another application's are then moved to the waiting ones, so that they do not delay it.
const takeRead = 1024

// take takes fresh deliveries until there is no room for more or none are left. It reports whether it took any.
func (w *Worker) take(ctx context.Context) (found bool) {
	for ctx.Err() == nil {
		now := w.clock()
		room := w.Reserve(now)
		if room.Total == 0 {
			w.Dispatch(room, nil)
			return found
		}
		if w.behind {
			room.Read = takeRead
		}
		// Stopping must not cancel the statement, or nobody would know which deliveries it had leased.
		taken, err := w.queue.DeliveryTake(context.WithoutCancel(ctx), room, now)
		w.Dispatch(room, taken.Deliveries)
		if err != nil {
			w.log.Error("take failed; retrying", "error", err)
			return found
		}
		found = found || len(taken.Deliveries) > 0
		if taken.Busy { // there may be deliveries for us that the other process does not see
			time.AfterFunc(emptyRest, w.WakeFresh)
		}
		if w.behind { // the deliveries that there was no room for now wait for a claim
			w.wakeClaims()
		}
		if w.behind = taken.More; !taken.More {
			return found
		}
	}
	return found
}

// claimRound claims, and sets how long polls pause according to how long it took to find nothing.
func (w *Worker) claimRound(ctx context.Context) (found bool) {
	began := w.clock()
	found = w.claim(ctx)
	if ended := w.clock(); found {
		w.roundAt = ended
	} else {
		w.roundAt = ended.Add(min(roundRest*ended.Sub(began), roundRestMax) - pollInterval/2)
	}
	return found
}

// claim visits the queues with waiting deliveries in turn, from where the last claim stopped for lack of room, until
// there is no room or all were visited. If it started over each time, the first endpoints would take all the room. It
// returns false if there was nothing to do.
//
// While there is a backlog it also stops after pollInterval, and asks to be called again, so that leases are expired in
// time. A round that finds nothing is not interrupted: it would begin again and never end.
func (w *Worker) claim(ctx context.Context) (found bool) {
	began := w.clock()
	for fromFirst := w.after == (core.Queue{}); ctx.Err() == nil; {
		now := w.clock()
		if w.troubles.pausing(now) {
			return found
		}
		if found && now.Sub(began) >= pollInterval {
			w.wakeClaims()
			return found
		}
		foundForOthers, ok := w.claimForOthers(ctx, now)
		found = found || foundForOthers
		if !ok {
			return found
		}
		claim, ok := w.claimAfter(ctx, w.after, nil)
		if !ok {
			return found
		}
		w.after = claim.Next
		found = found || claim.Ended() || len(claim.Deliveries) > 0
		if claim.Next == (core.Queue{}) {
			w.others.begin(w.clock())
			if fromFirst && !claim.Ended() {
				return found
			}
			fromFirst = true
		}
	}
	return found
}

// claimAfter claims from the queues after the given one, for all applications except those in but. It returns false
// if there is no room for any delivery or the claim failed.
func (w *Worker) claimAfter(ctx context.Context, after core.Queue, but []core.AppID) (_ core.Claim, ok bool) {
	now := w.clock()
	room := w.reserveForClaim(now)
	if room.Total == 0 {
		w.Dispatch(room, nil)
		return core.Claim{}, false
	}
	room.FullApps = append(room.FullApps, but...)
	// Stopping must not cancel the statement, or nobody would know which deliveries it had leased.
	claim, err := w.queue.DeliveryClaim(context.WithoutCancel(ctx), room, after, now)
	w.Dispatch(room, claim.Deliveries)
	w.expect(claim.More)
	w.logEnded(claim)
	if err != nil {
		w.log.Error("claim failed; retrying", "error", err)
		return claim, false
	}
	w.wakeAt(claim.WakeAt)
	w.others.count(claim.Deliveries)
	return claim, true
}
