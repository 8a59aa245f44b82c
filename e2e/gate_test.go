package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// gate holds the answers of a receiver back until it is opened.
type gate struct {
	mu     sync.Mutex
	held   int // requests that are at the gate now
	opened chan struct{}
	open   func()
}

// newGate makes a gate, which opens at the latest when the test ends.
func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	t.Cleanup(g.open)
	return g
}

// answer answers 204 once the gate is open.
func (g *gate) answer(w http.ResponseWriter, r *http.Request, _ arrival) {
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.opened:
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done(): // the sender has given up, or is no more
	}
}

func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
}

// awaitHeld waits until that many requests are at the gate.
func (g *gate) awaitHeld(t testing.TB, n int) {
	t.Helper()
	await(t, func() string {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.held < n {
			return fmt.Sprintf("%d requests are under way, want %d", g.held, n)
		}
		return ""
	})
}
