package store

import (
	"context"
	"time"
)

// lockWait is what passes between a message's tries to be stored while somebody else has its application locked.
// Statements don't wait for that lock: each would keep a connection, and the messages that share it.
type lockWait struct {
	pause  time.Duration // before the next
	waited time.Duration // in all, without the tries
}

const (
	lockPauseMin = 2 * time.Millisecond // a statement takes some milliseconds
	lockPauseMax = 25 * time.Millisecond
)

func newLockWait() lockWait { return lockWait{pause: lockPauseMin} }

// next returns when it is time for another try. After requestWait it fails.
func (w *lockWait) next(ctx context.Context) error {
	if w.waited >= requestWait {
		return errLocked(nil)
	}
	select {
	case <-time.After(w.pause):
	case <-ctx.Done():
		return mapError(ctx.Err())
	}
	w.waited += w.pause
	w.pause = min(2*w.pause, lockPauseMax)
	return nil
}
