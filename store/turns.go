package store

import (
	"context"
	"sync"
)

// turns lets one caller through at a time for each key.
type turns[K comparable] struct {
	mu   sync.Mutex
	keys map[K]*turn
}

type turn struct {
	free    chan struct{} // holds one thing while nobody is through
	callers int           // through, or waiting
}

// enter returns when it is the caller's turn, which lasts until it calls leave, or when ctx ends.
func (ts *turns[K]) enter(ctx context.Context, key K) (leave func(), err error) {
	t := ts.join(key)
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; ts.part(key, t) }, nil
	case <-ctx.Done():
		ts.part(key, t)
		return nil, ctx.Err()
	}
}

func (ts *turns[K]) join(key K) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.keys[key]
	if t == nil {
		if ts.keys == nil {
			ts.keys = map[K]*turn{}
		}
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		ts.keys[key] = t
	}
	t.callers++
	return t
}

func (ts *turns[K]) part(key K, t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.callers--
	if t.callers == 0 {
		delete(ts.keys, key)
	}
}
