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
	proxying // until the proxy is reached
	tunneling
	securing
	sending
	awaiting
	answering
)

// trip follows one attempt on its way, so that one that ends without an answer can tell where.
type trip struct {
	furthest atomic.Int32
}

type tripKey struct{}

// begin begins an attempt that ends with ctx.
func begin(ctx context.Context) (context.Context, *trip) {
	t := &trip{}
	return context.WithValue(ctx, tripKey{}, t), t
}

// tripOf is the attempt that a connection is made for.
func tripOf(ctx context.Context) *trip { return ctx.Value(tripKey{}).(*trip) }

// reach notes a stage, and never goes back: a receiver may answer before the request is out.
func (t *trip) reach(s stage) {
	for now := t.furthest.Load(); now < int32(s); now = t.furthest.Load() {
		if t.furthest.CompareAndSwap(now, int32(s)) {
			return
		}
	}
}

// restart is called before the request is sent again.
func (t *trip) restart() { t.furthest.Store(int32(preparing)) }

func (t *trip) stage() stage { return stage(t.furthest.Load()) }
