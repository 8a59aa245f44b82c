package rig

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// Gate holds back a receiver's answers until it is opened.
type Gate struct {
	mu     sync.Mutex
	held   map[*http.Request]Arrival // requests waiting at the gate
	opened chan struct{}
	Open   func()
}

// NewGate returns a gate that opens no later than when the test ends.
func NewGate(t testing.TB) *Gate {
	t.Helper()
	g := &Gate{held: map[*http.Request]Arrival{}, opened: make(chan struct{})}
	g.Open = sync.OnceFunc(func() { close(g.opened) })
	t.Cleanup(g.Open)
	return g
}

// Answer answers with 204 once the gate is open.
func (g *Gate) Answer(w http.ResponseWriter, r *http.Request, a Arrival) {
	g.enter(r, a)
	defer g.leave(r)
	select {
	case <-g.opened:
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done(): // the sender gave up or exited
	}
}

func (g *Gate) enter(r *http.Request, a Arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[r] = a
}

func (g *Gate) leave(r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, r)
}

// AwaitHeld waits until at least n requests are at the gate, and returns all of them.
func (g *Gate) AwaitHeld(t testing.TB, n int) (held []Arrival) {
	t.Helper()
	Await(t, func() string {
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
