package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// receiver accepts webhooks with 204 and counts them.
type receiver struct {
	key         []byte
	verifyEvery int // verify the signature of every n-th webhook; 0: of none

	mu       sync.Mutex
	tally    *tally
	requests int
	forged   int
	lastAt   time.Time // when the last new message arrived
	awaited  int
	arrived  chan struct{} // closed once the expected number of new messages has arrived
}

// receipt is the receiver's count of what has arrived.
type receipt struct {
	IDs        []string
	Duplicates int
	Unreadable int // ids that are not message ids
	Forged     int // wrong signatures, among those verified
	LastAt     time.Time
}

const hookPath = "/hook"

func receiveMain(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("bench receive", flag.ContinueOnError)
	secret := f.String("secret", "", "the endpoint's secret, to verify signatures")
	every := f.Int("verify-every", 100, "verify the signature of every n-th; 0: of none")
	profile := f.String("profile", "", "write a CPU profile to this file")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	key, err := parseSecret(*secret)
	if err != nil {
		return err
	}
	r := &receiver{key: key, verifyEvery: *every, tally: newTally(0)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+hookPath, r.hook)
	mux.HandleFunc("POST /expect/{count}", r.expect)
	mux.HandleFunc("POST /await/{timeout}", r.await)
	return profiled(*profile, func() error { return serveHTTP(ctx, mux, stdout) })
}

func (r *receiver) hook(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.count(q.Header, body)
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) count(h http.Header, body []byte) {
	id := h.Get("Webhook-Id")
	r.mu.Lock()
	r.requests++
	verify := r.verifyEvery > 0 && r.requests%r.verifyEvery == 0
	if r.tally.add(id) {
		r.lastAt = time.Now()
		if len(r.tally.seen) == r.awaited {
			close(r.arrived)
		}
	}
	r.mu.Unlock()
	if verify && !r.genuine(h, id, body) {
		r.mu.Lock()
		r.forged++
		r.mu.Unlock()
	}
}

// genuine reports whether the signatures in both families of headers are right.
func (r *receiver) genuine(h http.Header, id string, body []byte) bool {
	want := signature(r.key, id, h.Get("Webhook-Timestamp"), body)
	return h.Get("Webhook-Signature") == want && h.Get("Svix-Signature") == want &&
		h.Get("Svix-Id") == id && h.Get("Svix-Timestamp") == h.Get("Webhook-Timestamp")
}

// expect starts a new count.
func (r *receiver) expect(w http.ResponseWriter, q *http.Request) {
	count, err := strconv.Atoi(q.PathValue("count"))
	if err != nil || count < 1 || count > messagesMax {
		http.Error(w, "how many?", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally, r.requests, r.forged, r.lastAt = newTally(count), 0, 0, time.Time{}
	r.awaited, r.arrived = count, make(chan struct{})
	w.WriteHeader(http.StatusNoContent)
}

// settle is how long to wait for duplicates after all messages have arrived.
const settle = 200 * time.Millisecond

// await answers with a receipt once all expected messages have arrived, or after the timeout.
func (r *receiver) await(w http.ResponseWriter, q *http.Request) {
	timeout, err := time.ParseDuration(q.PathValue("timeout"))
	r.mu.Lock()
	arrived := r.arrived
	r.mu.Unlock()
	if err == nil && arrived == nil {
		err = errors.New("nothing is expected")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), timeout)
	defer cancel()
	select {
	case <-arrived:
	case <-ctx.Done():
	}
	select {
	case <-time.After(settle):
	case <-q.Context().Done():
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.receipt()) // a client that cannot read it reports that
}

func (r *receiver) receipt() receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.tally.seen))
	for k := range r.tally.seen {
		ids = append(ids, k.String())
	}
	return receipt{IDs: ids, Duplicates: r.tally.duplicates, Unreadable: r.tally.unreadable, Forged: r.forged, LastAt: r.lastAt}
}
