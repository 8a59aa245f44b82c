package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// neighbourPatience is how long a client of the neighbour waits for a response.
	neighbourPatience = 30 * time.Second
	// neighbourArrival is how long its messages may take to arrive once the attack is over.
	neighbourArrival = 30 * time.Second
)

// neighbour is a small tenant: one application with one endpoint, and clients that send a message at each tick,
// whatever happened to the previous ones.
type neighbour struct {
	rate int
	to   loadConfig
	http *http.Client
	stop func()

	mu       sync.Mutex
	began    time.Time // reference of the times below
	underWay sync.WaitGroup
	sentAt   map[messageKey]time.Duration
	arriveAt map[messageKey]time.Duration
	accepts  []time.Duration
	refused  int
}

// neighbourFigures is what a customer notices.
type neighbourFigures struct {
	accept  latency // from the start of a request to its response
	deliver latency // from the start of a request to its webhook
	refused int     // requests not answered with 202
	missing int     // webhooks that have not arrived
}

func newNeighbour(ctx context.Context, b *bench, api apiClient) (*neighbour, error) {
	n := &neighbour{
		rate: b.rate,
		http: &http.Client{Timeout: neighbourPatience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	hook, stop, err := receiveAt(ctx, http.HandlerFunc(n.arrive))
	if err != nil {
		return nil, err
	}
	n.stop = stop
	app, err := api.newEndpoint(ctx, hook, b.secret)
	if err != nil {
		stop()
		return nil, err
	}
	n.to = loadConfig{url: api.base + "/api/v1/app/" + app + "/msg", token: api.token, payload: b.payload, idempotency: true}
	n.begin()
	return n, nil
}

// run measures for the given span.
func (n *neighbour) run(ctx context.Context, span time.Duration) (neighbourFigures, error) {
	n.begin()
	n.sendFor(ctx, span)
	n.settle(ctx)
	return n.figures(), ctx.Err()
}

func (n *neighbour) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.began, n.sentAt, n.arriveAt = time.Now(), map[messageKey]time.Duration{}, map[messageKey]time.Duration{}
	n.accepts, n.refused = nil, 0
}

// sendFor sends a message at each tick and returns at the last tick, while some may still be unanswered.
func (n *neighbour) sendFor(ctx context.Context, span time.Duration) {
	tick := time.NewTicker(time.Second / time.Duration(n.rate))
	defer tick.Stop()
	for i := range int(span.Seconds() * float64(n.rate)) {
		select {
		case at := <-tick.C:
			n.underWay.Go(func() { n.send(ctx, i, at) })
		case <-ctx.Done():
			return
		}
	}
}

// send measures from the tick, so that a busy machine cannot hide a delay.
func (n *neighbour) send(ctx context.Context, i int, at time.Time) {
	c := client{loadConfig: n.to, http: n.http}
	id, err := c.exchange(ctx, i)
	took := time.Since(at)
	key, ok := keyOf(id)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accepts = append(n.accepts, took)
	if err != nil || !ok {
		n.refused++
		return
	}
	n.sentAt[key] = at.Sub(n.began)
}

func (n *neighbour) arrive(w http.ResponseWriter, r *http.Request) {
	key, ok := keyOf(r.Header.Get("Webhook-Id"))
	n.mu.Lock()
	if _, again := n.arriveAt[key]; ok && !again {
		n.arriveAt[key] = time.Since(n.began)
	}
	n.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// settle waits for the responses, and for a while for the webhooks.
func (n *neighbour) settle(ctx context.Context) {
	n.underWay.Wait()
	ctx, cancel := context.WithTimeout(ctx, neighbourArrival)
	defer cancel()
	for ctx.Err() == nil && n.figures().missing > 0 {
		_ = pause(ctx, 50*time.Millisecond)
	}
}

func (n *neighbour) figures() (f neighbourFigures) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var delivers []time.Duration
	for key, at := range n.sentAt {
		arrived, ok := n.arriveAt[key]
		if !ok {
			f.missing++
			arrived = time.Since(n.began)
		}
		delivers = append(delivers, arrived-at)
	}
	f.refused = n.refused
	if len(n.accepts) > 0 {
		f.accept = latencyOf(append([]time.Duration(nil), n.accepts...))
	}
	if len(delivers) > 0 {
		f.deliver = latencyOf(delivers)
	}
	return f
}
