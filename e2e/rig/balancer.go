package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Balancer forwards requests to the processes that report ready. Unlike a real load balancer, it never retries a
// request, not even if it could not connect.
type Balancer struct {
	*httptest.Server
	transport *http.Transport

	mu      sync.Mutex
	members map[*Process]*balanced
	next    int
}

// balanced is a process behind a balancer.
type balanced struct {
	api, ops string
	ready    bool
	passing  int // requests in progress
}

const probeEvery = 100 * time.Millisecond

// NewBalancer starts a balancer without processes. It runs until the test ends.
func NewBalancer(t *testing.T) *Balancer {
	t.Helper()
	b := &Balancer{members: map[*Process]*balanced{}, transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Server = httptest.NewServer(b)
	ctx, end := context.WithCancel(t.Context())
	var probing sync.WaitGroup
	probing.Go(func() {
		for Pause(ctx, probeEvery) == nil {
			b.probe(ctx)
		}
	})
	t.Cleanup(func() { end(); probing.Wait(); b.Close(); b.transport.CloseIdleConnections() })
	return b
}

// Add waits until a process is ready, then forwards requests to it.
func (b *Balancer) Add(t *testing.T, p *Process) {
	t.Helper()
	m := &balanced{api: "http://" + p.AwaitReady(t), ops: p.OpsURL(t), ready: true}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[p] = m
}

// Remove removes a process from the balancer.
func (b *Balancer) Remove(p *Process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, p)
}

func (b *Balancer) all() (all []*balanced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		all = append(all, m)
	}
	return all
}

func (b *Balancer) probe(ctx context.Context) {
	for _, m := range b.all() {
		answer, err := Probe(ctx, m.ops+"/readyz")
		b.mu.Lock()
		m.ready = err == nil && answer.Status == http.StatusOK
		b.mu.Unlock()
	}
}

// pick chooses among the ready processes in turn.
func (b *Balancer) pick() *balanced {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ready []*balanced
	for _, m := range b.members {
		if m.ready {
			ready = append(ready, m)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	b.next++
	m := ready[b.next%len(ready)]
	m.passing++
	return m
}

func (b *Balancer) passed(m *balanced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.passing--
}

// IsQuiet reports whether a process has stopped receiving requests.
func (b *Balancer) IsQuiet(p *Process) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.members[p]
	return !m.ready && m.passing == 0
}

// ServeHTTP forwards a request once.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := b.pass(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, err)
		return
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
}

func (b *Balancer) pass(r *http.Request) (Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return Response{}, err
	}
	m := b.pick()
	if m == nil {
		return Response{}, errors.New("no process is ready")
	}
	defer b.passed(m)
	request, err := http.NewRequestWithContext(r.Context(), r.Method, m.api+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	request.Header, request.GetBody = r.Header.Clone(), nil // keeps the transport from sending a request twice
	return ReadResponse(b.transport.RoundTrip(request))
}
