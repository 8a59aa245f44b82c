package delivery

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postrider/postrider/core"
)

// payloads limits the memory of large payloads. Each payload is held once, however many deliveries of its message are
// in flight: from when it is handed over, or else from when the first delivery is about to be sent, until the last
// one was sent. The dispatcher's mutex guards it.
type payloads struct {
	memory *core.Shares[core.AppID] // bytes
	held   map[messageKey]*payload
}

type messageKey struct {
	app core.AppID
	id  core.MessageID
}

// payload is a payload held in memory. The methods that read it are safe for concurrent use.
type payload struct {
	bytes   int
	holders int // deliveries

	text    atomic.Pointer[string] // nil until it is read
	reading singleflight.Group
}

func newPayloads(bytes int) *payloads {
	return &payloads{memory: core.NewShares[core.AppID](bytes), held: map[messageKey]*payload{}}
}

// keep holds the payload of a fresh delivery if there is memory for it. Otherwise the payload is read again when it
// is the delivery's turn. A delivery that follows others without memory gets none either: they go first, and would
// wait for the memory that it holds.
func (ps *payloads) keep(q *queued, before []*queued) {
	if !q.Large() || q.Payload == "" {
		return
	}
	text := q.Payload
	q.Payload = ""
	wants := func(other *queued) bool { return other.Large() && other.payload == nil }
	if !slices.ContainsFunc(before, wants) && ps.reserve(q) {
		q.payload.text.CompareAndSwap(nil, &text)
	}
}

// reserve takes memory for a delivery's payload unless it already has it. It returns false if there is none left for
// its application.
func (ps *payloads) reserve(q *queued) bool {
	if !q.Large() || q.payload != nil {
		return true
	}
	key := messageKey{q.AppID, q.MessageID}
	p := ps.held[key]
	if p == nil {
		if !ps.memory.Take(q.AppID, q.PayloadBytes) {
			return false
		}
		p = &payload{bytes: q.PayloadBytes}
		ps.held[key] = p
	}
	p.holders++
	q.payload = p
	return true
}

// drop releases a delivery's payload, and frees its memory with the last delivery of the message.
func (ps *payloads) drop(q *queued) {
	q.Payload = ""
	p := q.payload
	if p == nil {
		return
	}
	q.payload = nil
	if p.holders--; p.holders == 0 {
		delete(ps.held, messageKey{q.AppID, q.MessageID})
		ps.memory.Give(q.AppID, p.bytes)
	}
}

// payloadBytes is the default of Config.PayloadBytes: 32 payloads of the largest size that the API accepts.
const payloadBytes = 64 << 20

// payloadTimeout limits the time to read a payload. Two megabytes take about ten milliseconds.
const payloadTimeout = 5 * time.Second

// read returns the payload. The first caller reads it with get, and concurrent callers share the result.
func (p *payload) read(ctx context.Context, get func(context.Context) (string, error)) (string, error) {
	if text := p.text.Load(); text != nil {
		return *text, nil
	}
	_, err, _ := p.reading.Do("", func() (any, error) {
		if p.text.Load() != nil {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(ctx, payloadTimeout)
		defer cancel()
		text, err := get(ctx)
		if err == nil {
			p.text.Store(&text)
		}
		return nil, err
	})
	if err != nil {
		return "", err
	}
	return *p.text.Load(), nil
}

// load reads the payload of a delivery that is about to be sent, if it is large. It returns false if the payload
// cannot be read; the delivery is then to be postponed until the returned time. If the payload no longer exists, the
// next claim drops the delivery.
func (w *Worker) load(ctx context.Context, q *queued) (until time.Time, ok bool) {
	if q.payload == nil {
		return time.Time{}, true
	}
	text, err := q.payload.read(ctx, func(ctx context.Context) (string, error) {
		return w.queue.MessagePayloadGet(ctx, q.AppID, q.MessageID, w.clock())
	})
	switch e, ok := errors.AsType[*core.Error](err); {
	case err == nil:
		q.Payload = text
		return time.Time{}, true
	case ok && e.Kind == core.KindNotFound:
		return w.clock(), false
	}
	w.log.Error("payload read failed; delivery postponed", "message", q.MessageID, "retry_in_ms", payloadRetry.Milliseconds(),
		"error", err)
	return w.clock().Add(payloadRetry), false
}

const payloadRetry = time.Second
