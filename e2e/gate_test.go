package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// gate holds the answers of a receiver back until it is opened.
type gate struct {
	mu     sync.Mutex
	held   map[*http.Request]arrival // the requests at the gate now
	opened chan struct{}
	open   func()
}

// newGate makes a gate, which opens at the latest when the test ends.
func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{held: map[*http.Request]arrival{}, opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	t.Cleanup(g.open)
	return g
}

// answer answers 204 once the gate is open.
func (g *gate) answer(w http.ResponseWriter, r *http.Request, a arrival) {
	g.enter(r, a)
	defer g.leave(r)
	select {
	case <-g.opened:
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done(): // the sender has given up, or is no more
	}
}

func (g *gate) enter(r *http.Request, a arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[r] = a
}

func (g *gate) leave(r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, r)
}

// awaitHeld waits until at least n requests are at the gate, and returns all that are there.
func (g *gate) awaitHeld(t testing.TB, n int) (held []arrival) {
	t.Helper()
	await(t, func() string {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.held) < n {
			return fmt.Sprintf("%d requests are under way, want %d", len(g.held), n)
		}
		held = slices.Collect(maps.Values(g.held))
		return ""
	})
	return held
}
