package store

import (
	"log/slog"
	"sync"
	"time"
)

// unopened tells of deliveries that are left to their leases, because a secret of their endpoint cannot
// be opened: once a minute, since each of them comes again with every claim.
type unopened struct {
	log *slog.Logger

	mu     sync.Mutex
	left   int // since it last told
	toldAt time.Time
}

const unopenedInterval = time.Minute

func (u *unopened) tell(err error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left++
	if now.Sub(u.toldAt) < unopenedInterval {
		return
	}
	u.log.Error("deliveries are not made and wait", "times", u.left, "error", err)
	u.left, u.toldAt = 0, now
}
