package store

import (
	"context"
	"time"
)

// lockWait is the wait between attempts to store a message while another transaction has its application locked.
// Statements do not wait for that lock: each would hold up a connection and the messages that share the statement.
type lockWait struct {
	pause  time.Duration // before the next attempt
	waited time.Duration // in total, without the attempts
}

const (
	lockPauseMin = 2 * time.Millisecond // a statement takes some milliseconds
	lockPauseMax = 25 * time.Millisecond
)

func newLockWait() lockWait { return lockWait{pause: lockPauseMin} }

// next returns when it is time for another attempt. After requestWait in total, it returns an error.
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
