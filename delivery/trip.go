package delivery

import (
	"context"
	"sync/atomic"
)

// stage is how far an attempt has come.
type stage int32

const (
	preparing stage = iota
	resolving
	connecting
	proxying // connecting to the proxy
	tunneling
	securing
	sending
	awaiting
	answering
)

// trip tracks the progress of one attempt, so that an attempt without an answer can say at which stage it failed.
type trip struct {
	furthest atomic.Int32
	over     link // the connection of the latest request; nil if there is none. Used only by the attempt's goroutine
}

type tripKey struct{}

// begin returns a context that carries a new trip.
func begin(ctx context.Context) (context.Context, *trip) {
	t := &trip{}
	return context.WithValue(ctx, tripKey{}, t), t
}

// tripOf returns the trip of the attempt that ctx belongs to.
func tripOf(ctx context.Context) *trip { return ctx.Value(tripKey{}).(*trip) }

// reach records a stage. It never goes back to an earlier one, because a receiver may answer before the request was
// sent.
func (t *trip) reach(s stage) {
	for now := t.furthest.Load(); now < int32(s); now = t.furthest.Load() {
		if t.furthest.CompareAndSwap(now, int32(s)) {
			return
		}
	}
}

// restart is called before the request is sent again.
func (t *trip) restart() {
	t.furthest.Store(int32(preparing))
	t.over = nil
}

func (t *trip) stage() stage { return stage(t.furthest.Load()) }
