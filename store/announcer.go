package store

import (
	"context"
	"sync"
	"time"
)

// news says which kinds of deliveries became due that are not leased to this process.
type news uint8

const (
	newsFresh   news = 1 << iota // workers take them
	newsWaiting                  // workers claim them
)

// announceRest is the minimum time between two announcements of one process. A NOTIFY holds a server-wide lock while
// it commits, so announcements must be rare; 5 ms is a choice and was not compared with other values. A worker that
// hears an announcement takes everything there is, so no delivery waits longer than this.
const announceRest = 5 * time.Millisecond

// announcer tells workers that deliveries became due: immediately after a quiet period, then at most once
// per rest. It never blocks a caller. A failed announcement is lost; workers poll as well.
//
// Its goroutine runs only while there is something to announce.
type announcer struct {
	send func(context.Context, news) error
	rest time.Duration

	mu      sync.Mutex
	pending news
	running bool
	closed  bool
	closing chan struct{}  // closed by close, to end a rest
	active  sync.WaitGroup // the goroutine
}

func newAnnouncer(send func(context.Context, news) error, rest time.Duration) *announcer {
	return &announcer{send: send, rest: rest, closing: make(chan struct{})}
}

// announce schedules n to be sent soon. After close it does nothing.
func (a *announcer) announce(n news) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || n == 0 {
		return
	}
	a.pending |= n
	if !a.running {
		a.running = true
		a.active.Go(a.run)
	}
}

// run sends until nothing is pending at the end of a rest.
func (a *announcer) run() {
	for n := a.take(); n != 0; n = a.take() {
		ctx, cancel := context.WithTimeout(context.Background(), statementTimeout)
		_ = a.send(ctx, n) // workers poll, and every other user of the database meets the same error
		cancel()
		select {
		case <-time.After(a.rest):
		case <-a.closing:
		}
	}
}

// take returns the news to send now. If there is none, it returns 0 and the goroutine ends.
func (a *announcer) take() news {
	a.mu.Lock()
	defer a.mu.Unlock()
	pending := a.pending
	a.pending, a.running = 0, pending != 0
	return pending
}

// close sends what is pending and waits for it.
func (a *announcer) close() {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.closing)
	}
	a.mu.Unlock()
	a.active.Wait()
}
