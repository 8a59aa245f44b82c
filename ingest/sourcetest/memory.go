package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// stored is a payload that this suite made.
type stored struct {
	Group string `json:"group"`
	N     int    `json:"n"`
	Odd   string `json:"odd"`
}

// recorder wraps a sink: it remembers what was stored, in order, and can simulate failures.
type recorder struct {
	next ingest.Sink

	mu     sync.Mutex
	away   bool
	all    []stored
	traces []*string
	seen   map[string]bool // positions it was asked to store, whether or not it stored them
	known  int

	failures int // messages that failed to be stored temporarily
}

func newRecorder(next ingest.Sink) *recorder {
	if next == nil {
		next = &memory{known: map[string]bool{}}
	}
	return &recorder{next: next, seen: map[string]bool{}}
}

func (r *recorder) MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range ins {
		r.seen[in.Position] = true
	}
	if r.away {
		outcomes := make([]core.Ingested, len(ins))
		for i := range outcomes {
			outcomes[i].Err = &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Message: "away"}
		}
		return outcomes
	}
	outcomes := r.next.MessageIngestMany(ctx, ins)
	for i, outcome := range outcomes {
		switch {
		case outcome.Known:
			r.known++
		case outcome.Again():
			r.failures++
		case outcome.Err == nil:
			var s stored
			if err := json.Unmarshal(ins[i].Payload, &s); err != nil {
				panic(err) // the suite made it
			}
			r.all, r.traces = append(r.all, s), append(r.traces, ins[i].TraceParent)
		}
	}
	return outcomes
}

// goAway makes the sink unavailable, or available again.
func (r *recorder) goAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// snapshot returns the payloads stored so far.
func (r *recorder) snapshot() []stored {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]stored(nil), r.all...)
}

// repeated returns how many messages were delivered again.
func (r *recorder) repeated() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known
}

// failed returns how many messages failed to be stored temporarily.
func (r *recorder) failed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}

// numbers returns the numbers of a group's messages stored so far, in order.
func (r *recorder) numbers(group string) (all []int) {
	for _, s := range r.snapshot() {
		if s.Group == group {
			all = append(all, s.N)
		}
	}
	return all
}

// trace returns the trace context of the n-th stored message.
func (r *recorder) trace(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.traces[n] == nil {
		return ""
	}
	return *r.traces[n]
}

// asked returns how many different messages the sink was asked to store.
func (r *recorder) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// memory keeps what Postgres would keep of a message: its idempotency key.
type memory struct{ known map[string]bool }

func (m *memory) MessageIngestMany(_ context.Context, ins []core.IngestIn) []core.Ingested {
	outcomes := make([]core.Ingested, len(ins))
	for i, in := range ins {
		switch {
		case in.Err != nil:
			outcomes[i].Err = in.Err
		case in.AppRef == nobody:
			outcomes[i].Err = core.NotFound()
		case !bytes.HasPrefix(in.Payload, []byte("{")):
			outcomes[i].Err = core.Invalid("is no JSON object", "payload")
		case in.Position == "":
			outcomes[i].Err = core.Invalid(errors.New("no position").Error(), "position")
		case m.known[in.Position]:
			outcomes[i].Known = true
		default:
			m.known[in.Position] = true
		}
	}
	return outcomes
}
