package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

// slowInserter counts how many messages are being stored at a time.
type slowInserter struct {
	inserter
	storing, most atomic.Int32
}

func (i *slowInserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	n := i.storing.Add(1)
	defer i.storing.Add(-1)
	for most := i.most.Load(); n > most; most = i.most.Load() {
		i.most.CompareAndSwap(most, n)
	}
	<-time.After(time.Second)
	return i.inserter.MessageInsert(ctx, m)
}

func largeMessage(bytes int) string {
	return `{"eventType": "a.made", "payload": {"x": "` + strings.Repeat("x", bytes) + `"}}`
}

func TestLargeBodiesShareMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowInserter{}
		f := newFixture(t, func(p *parts) {
			slow.inserter = p.inserter.(inserter)
			p.inserter, p.BodyMemory = slow, 150_000
		})
		var running sync.WaitGroup
		post := func(bytes int, length int64) {
			running.Go(func() {
				r := httptest.NewRequest(http.MethodPost, "/api/v1/app/one/msg", strings.NewReader(largeMessage(bytes)))
				if length < 0 {
					r.ContentLength = length
				}
				r.Header.Set("Authorization", "Bearer "+f.token(t, "org_a"))
				w := httptest.NewRecorder()
				f.ServeHTTP(w, r)
				if w.Code != http.StatusAccepted {
					t.Errorf("a body of %d bytes: %d %s", bytes, w.Code, w.Body)
				}
			})
		}
		for range 6 {
			post(100_000, 0)
		}
		for range 2 {
			post(100, -1) // might be two megabytes
		}
		running.Wait()
		if most := slow.most.Load(); most > 2 {
			t.Errorf("%d bodies of 100 kB were held at a time, want at most 2 in 150 kB", most)
		}
		slow.most.Store(0)
		for range 50 {
			post(10, 0)
		}
		running.Wait()
		if most := slow.most.Load(); most != 50 {
			t.Errorf("%d of 50 small bodies were handled at a time", most)
		}
		if b := f.Handler.(*server).bodies; !b.memory.Take(core.Customer{OrgID: "org_a"}, 150_000) || b.memory.Take(core.Customer{OrgID: "org_b"}, 1) {
			t.Error("not all memory was given back")
		}
	})
}

func TestLargeBodyIsRefusedWhenThereIsNoRoomForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBodies(100, 100)
		greedy, other := core.Customer{OrgID: "org", AppID: "greedy"}, core.Customer{OrgID: "org", AppID: "other"}
		for range 8 {
			if err := b.enter(t.Context(), greedy, 10); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.enter(t.Context(), other, 10); err != nil {
			t.Errorf("nothing is left for another customer: %v", err)
		}
		began := time.Now()
		if err := b.enter(t.Context(), greedy, 10); !isBusy(err) || time.Since(began) != bodyWait {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		gone, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		began = time.Now()
		if err := b.enter(gone, greedy, 10); !isBusy(err) || time.Since(began) != time.Second {
			t.Errorf("a client that hung up waited %s: %v", time.Since(began), err)
		}
		time.AfterFunc(time.Second, func() { b.leave(greedy, 10); b.leave(greedy, 10) })
		err := b.enter(t.Context(), greedy, 10)
		synctest.Wait() // for the goroutine that released the room
		if err != nil || len(b.waiting) != 0 {
			t.Errorf("once there was room: %v, and %d wait", err, len(b.waiting))
		}
	})
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*core.Error](err)
	return ok && e.Code == core.CodeTooBusy
}
