package delivery

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

const mebibyte = 1 << 20

// largeDeliveries returns deliveries of one message to n endpoints of an application. The payload is not read yet.
func largeDeliveries(app core.AppID, n, bytes int) []core.Delivery {
	id := core.NewMessageID(time.Now())
	list := deliveriesOf(app, n)
	for i := range list {
		list[i].MessageID, list[i].Payload, list[i].PayloadBytes = id, "", bytes
		list[i].EndpointID += core.EndpointID(id)
	}
	return list
}

func TestPayloadMemoryIsBounded(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency, config.PayloadBytes = 64, 16*mebibyte
	h := newHanging(t, config)
	for range 30 {
		h.Dispatch(core.Room{}, largeDeliveries("greedy", 1, mebibyte))
	}
	if h.active != 12 {
		t.Errorf("payloads of %d MiB of one application are held, want 12 of 16", h.active)
	}
	h.Dispatch(core.Room{}, deliveriesOf("greedy", 1))
	if h.active != 13 {
		t.Error("a small payload waits for the memory of large ones")
	}
	h.Dispatch(core.Room{}, largeDeliveries("other", 1, 2*mebibyte))
	if h.tenants["other"].active != 1 {
		t.Error("there is no memory left for another application")
	}
	for range 32 {
		h.end <- struct{}{}
	}
	awaitLocked(t, h.dispatcher, func() bool { return h.active == 0 && len(h.payloads.held) == 0 })
}

func TestPayloadIsHeldOncePerMessage(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency, config.PayloadBytes = 64, 16*mebibyte
	h := newHanging(t, config)
	h.Dispatch(core.Room{}, largeDeliveries("app", 40, 2*mebibyte))
	if h.active != 40 {
		t.Errorf("%d deliveries of one message are under way, want 40", h.active)
	}
	if n := len(h.payloads.held); n != 1 {
		t.Errorf("its payload is held %d times", n)
	}
	for range 40 {
		h.end <- struct{}{}
	}
	awaitLocked(t, h.dispatcher, func() bool { return h.active == 0 })
	if n := len(h.payloads.held); n != 0 || !h.payloads.memory.Take("app", 1) {
		t.Errorf("after all attempts %d payloads are held", n)
	}
}

// awaitLocked waits until a condition of the dispatcher holds.
func awaitLocked(t *testing.T, d *dispatcher, holds func() bool) {
	t.Helper()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		d.mu.Lock()
		ok := holds()
		d.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("it never held")
		case <-ticks.C:
		}
	}
}

func TestFreshPayloadIsReadAgainOnlyIfThereWasNoMemory(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	close(g.open)
	config := testConfig()
	config.PayloadBytes = 2 * mebibyte
	q := newQueue()
	q.payloads = map[core.MessageID]string{}
	w, _ := run(t, config, q)
	w.mu.Lock()
	w.payloads.memory.Take("someone", 2*mebibyte) // no memory is left
	w.mu.Unlock()
	var handed []core.Delivery
	for i := range 3 {
		d := testDelivery(g.URL + "/" + fmt.Sprint(i))
		d.EndpointID = core.EndpointID(fmt.Sprint(i))
		d.Payload = `"` + strings.Repeat("x", mebibyte) + `"`
		d.PayloadBytes = len(d.Payload)
		q.payloads[d.MessageID] = d.Payload
		handed = append(handed, d)
	}
	w.hand(handed[:1])
	if w.waiting != 1 {
		t.Errorf("%d deliveries wait for memory, want 1", w.waiting)
	}
	w.mu.Lock()
	w.payloads.memory.Give("someone", 2*mebibyte)
	w.start()
	w.mu.Unlock()
	<-q.recorded
	if q.reads != 1 {
		t.Errorf("the payload that was let go of was read %d times", q.reads)
	}
	w.hand(handed[1:])
	<-q.recorded
	<-q.recorded
	if q.reads != 1 {
		t.Errorf("payloads that were kept were read %d times", q.reads-1)
	}
}

func TestPayloadThatIsGoneOrUnreadableGivesTheDeliveryBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		wait time.Duration
	}{
		"gone":       {core.NotFound(), 0},
		"unreadable": {&core.Error{Kind: core.KindUnavailable, Err: errors.New("away")}, payloadRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue()
			q.reading = func() error { return c.err }
			w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
			g := &gate{Server: &httptest.Server{}}
			d := g.backlog(1, "a")[0]
			d.Payload, d.PayloadBytes, d.LeasedUntil = "", mebibyte, time.Now().Add(time.Hour)
			item := &queued{Delivery: d}
			w.payloads.reserve(item)
			began, sent := time.Now(), false
			if !w.attempt(t.Context(), item, func() { sent = true }) || !sent {
				t.Error("the attempt keeps its place")
			}
			if len(q.postponed) != 1 || q.postponed[0].until.Before(began.Add(c.wait)) || q.postponed[0].until.After(time.Now().Add(c.wait)) {
				t.Errorf("postponed %+v, want one by %s", q.postponed, c.wait)
			}
		})
	}
}

func TestPayloadMemoryIsNotKeptAfterADeliveryWithoutIt(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency, config.EndpointConcurrency, config.PayloadBytes = 8, 1, 8*mebibyte
	h := newHanging(t, config)
	fresh := func() []core.Delivery {
		d := largeDeliveries("app", 1, 2*mebibyte)
		d[0].EndpointID, d[0].Payload = "endpoint", string(make([]byte, 2*mebibyte))
		return d
	}
	h.Dispatch(core.Room{}, largeDeliveries("app", 1, 6*mebibyte))
	claimed := largeDeliveries("app", 1, 2*mebibyte)
	claimed[0].EndpointID = "endpoint"
	h.Dispatch(core.Room{}, claimed) // there is no memory for it
	h.end <- struct{}{}
	awaitLocked(t, h.dispatcher, func() bool { return h.lanes["endpoint"].active == 1 })
	h.payloads.memory.Take("app", 6*mebibyte)
	waits := largeDeliveries("app", 1, 2*mebibyte)
	waits[0].EndpointID = "endpoint"
	h.Dispatch(core.Room{}, waits)
	h.payloads.memory.Give("app", 6*mebibyte)
	h.Dispatch(core.Room{}, fresh())
	if l := h.lanes["endpoint"]; len(l.waiting) != 2 || l.waiting[0].payload != nil || l.waiting[1].payload != nil {
		t.Errorf("a delivery has memory, and the one before it waits for some")
	}
	for range 3 {
		h.end <- struct{}{}
	}
}
