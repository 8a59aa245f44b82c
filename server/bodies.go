package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// bodies bounds the memory of large request bodies. A request has room for all of its body before any of it is read, and
// until it is answered. Room that is given back goes to those that wait, in the order in which they came.
type bodies struct {
	limit int64 // of one body

	mu      sync.Mutex
	memory  *core.Shares[core.Customer] // bytes
	waiting []*bodyWaiter
	waiters *core.Shares[core.Customer] // of bodyWaitersMax
}

type bodyWaiter struct {
	customer core.Customer
	bytes    int
	admitted chan struct{} // closed once it has room
}

const (
	// smallBody is what a request may hold without waiting for room: nearly every request does, and thousands of them
	// take some ten megabytes.
	smallBody = core.LargePayload

	// bodyWait is how long a request waits for room. The client may take until readTimeout to send its body.
	bodyWait = 5 * time.Second

	// bodyWaitersMax bounds what is looked at each time that there is room again.
	bodyWaitersMax = 1000
)

func newBodies(memory int, limit int64) *bodies {
	return &bodies{
		memory: core.NewShares[core.Customer](memory), waiters: core.NewShares[core.Customer](bodyWaitersMax), limit: limit,
	}
}

// admitted has a request wait until there is room for its body.
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

// enter waits until there is room.
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

// join takes room if there is some, and otherwise waits for it.
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

// withdraw reports whether the waiter still waited.
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

// leave gives room back, to those that wait for it.
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
