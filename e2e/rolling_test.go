package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// balancer hands requests to those processes that say they are ready. It is worse than real ones in that it tries no
// request again, not even if it could not connect.
type balancer struct {
	*httptest.Server
	transport *http.Transport

	mu      sync.Mutex
	members map[*process]*balanced
	next    int
}

// balanced is a process behind a balancer.
type balanced struct {
	api, ops string
	ready    bool
	passing  int // requests under way
}

const probeEvery = 100 * time.Millisecond

// longDelay is far longer than a test waits. A second signal ends it.
const longDelay = "POSTRIDER_STOP_DELAY=10m"

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{members: map[*process]*balanced{}, transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Server = httptest.NewServer(b)
	ctx, end := context.WithCancel(t.Context())
	var probing sync.WaitGroup
	probing.Go(func() {
		for pause(ctx, probeEvery) == nil {
			b.probe(ctx)
		}
	})
	t.Cleanup(func() { end(); probing.Wait(); b.Close(); b.transport.CloseIdleConnections() })
	return b
}

// add takes in a process that is ready.
func (b *balancer) add(t *testing.T, p *process) {
	t.Helper()
	m := &balanced{api: "http://" + p.ready(t), ops: p.ops(t), ready: true}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[p] = m
}

func (b *balancer) remove(p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, p)
}

func (b *balancer) all() (all []*balanced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		all = append(all, m)
	}
	return all
}

func (b *balancer) probe(ctx context.Context) {
	for _, m := range b.all() {
		answer, err := probe(ctx, m.ops+"/readyz")
		b.mu.Lock()
		m.ready = err == nil && answer.status == http.StatusOK
		b.mu.Unlock()
	}
}

// pick chooses among the processes that are ready, in turn.
func (b *balancer) pick() *balanced {
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

func (b *balancer) passed(m *balanced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.passing--
}

// isQuiet reports whether a process is sent nothing any more.
func (b *balancer) isQuiet(p *process) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.members[p]
	return !m.ready && m.passing == 0
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := b.pass(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, err)
		return
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

func (b *balancer) pass(r *http.Request) (response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return response{}, err
	}
	m := b.pick()
	if m == nil {
		return response{}, errors.New("no process is ready")
	}
	defer b.passed(m)
	request, err := http.NewRequestWithContext(r.Context(), r.Method, m.api+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header, request.GetBody = r.Header.Clone(), nil // the transport itself is to send nothing twice
	return readResponse(b.transport.RoundTrip(request))
}

// TestRollingRestartFailsNoRequest restarts two API processes behind a balancer, one after the other, under a load.
func TestRollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	start(t, settings(database), "worker").ready(t)
	b := newBalancer(t)
	launch := func() *process {
		p := start(t, settings(database, opsSetting, longDelay), "api")
		b.add(t, p)
		return p
	}
	fleet := []*process{launch(), launch()}
	c := service{url: b.URL, settings: []string{secretSetting}}.tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	const rate = 100
	l := loadAt(t, rate, c, app, 600*rate, newLead(receiver, 20*rate))
	l.background(t)
	for range 2 {
		for i, old := range fleet {
			old.terminate(t)
			await(t, func() string {
				if !b.isQuiet(old) {
					return "the balancer sends to a process that was told to stop"
				}
				return ""
			})
			old.stop(t)
			b.remove(old)
			fleet[i] = launch()
		}
	}
	ids := l.halt(t)
	receiver.await(t, ids...)
	if duplicated, strange := receiver.counts(ids); duplicated+strange > 0 {
		t.Errorf("of %d messages %d were delivered more than once, and %d were not answered", len(ids), duplicated, strange)
	}
	t.Logf("%d messages accepted and delivered in four restarts", len(ids))
}

// TestStopDelayAnswersOnEndingConnections reads a connection that was kept, and ends the delay, which is far longer than a
// test waits, by a second signal.
func TestStopDelayAnswersOnEndingConnections(t *testing.T) {
	t.Parallel()
	p, s := serve(t, opsSetting, longDelay)
	c := s.tenant(t)
	app, url := c.application(t), p.ops(t)
	kept := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	get := func() *http.Response {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/v1/app/"+app, nil))(t)
		request.Header.Set("Authorization", "Bearer "+c.token)
		answer := must(kept.Do(request))(t)
		defer answer.Body.Close()
		must(io.Copy(io.Discard, answer.Body))(t)
		return answer
	}
	if answer := get(); answer.StatusCode != http.StatusOK || answer.Close {
		t.Fatalf("before: %d, close: %t", answer.StatusCode, answer.Close)
	}
	p.terminate(t)
	awaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "draining")
	for range 2 { // on the connection that was kept, and on a new one
		if answer := get(); answer.StatusCode != http.StatusOK || !answer.Close {
			t.Errorf("while it drains: %d, close: %t", answer.StatusCode, answer.Close)
		}
	}
	c.message(t, app)
	if p.hasEnded() {
		t.Fatal("it does not wait for the delay")
	}
	p.stop(t)
	if _, err := net.Dial("tcp", mustParse(s.url).Host); err == nil {
		t.Error("it still listens")
	}
}
