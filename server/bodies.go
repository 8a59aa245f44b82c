package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// bodies limits the memory of large request bodies. Room for the whole body is reserved before any of it is read, and
// is held until the request is answered. Released room goes to waiting requests in order of arrival.
type bodies struct {
	limit int64 // of one body

	mu      sync.Mutex
	memory  *core.Shares[core.Customer] // bytes
	waiting []*bodyWaiter
	waiters *core.Shares[core.Customer] // places out of bodyWaitersMax
}

type bodyWaiter struct {
	customer core.Customer
	bytes    int
	admitted chan struct{} // closed once the request has room
}

const (
	// smallBody is the largest body that does not need room. Nearly every body is that small, and thousands of them take
	// about ten megabytes.
	smallBody = core.LargePayload

	// bodyWait is how long a request waits for room. The client may take until readTimeout to send its body.
	bodyWait = 5 * time.Second

	// bodyWaitersMax limits how many waiting requests are checked each time room is released.
	bodyWaitersMax = 1000
)

func newBodies(memory int, limit int64) *bodies {
	return &bodies{
		memory: core.NewShares[core.Customer](memory), waiters: core.NewShares[core.Customer](bodyWaitersMax), limit: limit,
	}
}

// admitted makes a request wait until there is room for its body.
func (s *server) admitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bytes := r.ContentLength
		if bytes < 0 { // unknown
			bytes = s.bodies.limit
		}
		if bytes <= smallBody {
			next(w, r)
			return
		}
		c := core.CustomerOf(r.Context())
		if err := s.bodies.enter(r.Context(), c, int(bytes)); err != nil {
			s.fail(w, r, err)
			return
		}
		defer s.bodies.leave(c, int(bytes))
		next(w, r)
	}
}

// enter waits until there is room for a body.
func (b *bodies) enter(ctx context.Context, c core.Customer, bytes int) error {
	waiter, err := b.join(c, bytes)
	if waiter == nil {
		return err
	}
	timeout := time.NewTimer(bodyWait)
	defer timeout.Stop()
	select {
	case <-waiter.admitted:
		return nil
	case <-timeout.C:
	case <-ctx.Done():
	}
	if b.withdraw(waiter) {
		return errBodiesBusy
	}
	return nil
}

var errBodiesBusy = core.TooBusy("Too many large requests at once; retry later")

// join reserves room if there is enough. Otherwise it adds and returns a waiter.
func (b *bodies) join(c core.Customer, bytes int) (*bodyWaiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.memory.Take(c, bytes):
		return nil, nil
	case !b.waiters.Take(c, 1):
		return nil, errBodiesBusy
	}
	waiter := &bodyWaiter{c, bytes, make(chan struct{})}
	b.waiting = append(b.waiting, waiter)
	return waiter, nil
}

// withdraw removes a waiter, and reports whether it was still waiting.
func (b *bodies) withdraw(waiter *bodyWaiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, waiter)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.waiters.Give(waiter.customer, 1)
	return true
}

// leave releases room and gives it to waiting requests.
func (b *bodies) leave(c core.Customer, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.Give(c, bytes)
	b.waiting = slices.DeleteFunc(b.waiting, func(waiter *bodyWaiter) bool {
		if !b.memory.Take(waiter.customer, waiter.bytes) {
			return false
		}
		b.waiters.Give(waiter.customer, 1)
		close(waiter.admitted)
		return true
	})
}
