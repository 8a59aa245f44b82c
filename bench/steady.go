package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// healthyEndpoints is the number of endpoints of the steady load, each in an application of its own.
const healthyEndpoints = 10

// senderRate is the most messages per second for one sender: it has 100 ms for each.
const senderRate = 10

// steady sends messages at a fixed rate, whatever happens to them, and records when each arrives. It runs in this
// process instead of its own: at a moderate rate it costs little, and one clock measures both ends of a message.
type steady struct {
	rate    int
	stop    func()
	senders []*client

	begin    time.Time // reference of the times below
	mu       sync.Mutex
	sentAt   map[messageKey]time.Duration
	arriveAt map[messageKey]time.Duration
	again    int // duplicate arrivals
	strange  int // arrivals without a message's id
}

func newSteady(ctx context.Context, b *bench, api apiClient) (*steady, error) {
	s := &steady{rate: b.rate, begin: time.Now(), sentAt: map[messageKey]time.Duration{}, arriveAt: map[messageKey]time.Duration{}}
	url, stop, err := receiveAt(ctx, http.HandlerFunc(s.arrive))
	if err != nil {
		return nil, err
	}
	s.stop = stop
	senders := max(healthyEndpoints, b.rate/senderRate)
	transport := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	var apps []string
	for n := range senders {
		if n < healthyEndpoints {
			app, err := api.newEndpoint(ctx, url, b.secret)
			if err != nil {
				s.stop()
				return nil, err
			}
			apps = append(apps, app)
		}
		to := loadConfig{
			url: api.base + "/api/v1/app/" + apps[n%healthyEndpoints] + "/msg", token: api.token, payload: b.payload, idempotency: true,
		}
		s.senders = append(s.senders, &client{loadConfig: to, http: transport})
	}
	return s, nil
}

func (s *steady) arrive(w http.ResponseWriter, r *http.Request) {
	at := time.Since(s.begin)
	id, ok := keyOf(r.Header.Get("Webhook-Id"))
	s.mu.Lock()
	if _, again := s.arriveAt[id]; !ok {
		s.strange++
	} else if again {
		s.again++
	} else {
		s.arriveAt[id] = at
	}
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// run sends for the given span, waits until everything has arrived, and returns how long that took.
func (s *steady) run(ctx context.Context, span time.Duration) (latency, error) {
	s.reset()
	if err := s.sendFor(ctx, span); err != nil {
		return latency{}, err
	}
	return s.await(ctx, awaitTimeout)
}

// sendFor sends for the given span.
func (s *steady) sendFor(ctx context.Context, span time.Duration) error {
	sending, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	failures := make(chan error, len(s.senders))
	for n, c := range s.senders {
		go func() { failures <- s.send(ctx, sending, n, c) }()
	}
	var failure error
	for range s.senders {
		if err := <-failures; err != nil {
			failure = cmp.Or(failure, err)
			cancel()
		}
	}
	return failure
}

// send begins a message at each tick. Its latency counts from the tick: a late answer to the previous message would
// otherwise hide the wait of this one.
func (s *steady) send(ctx, sending context.Context, n int, c *client) error {
	interval := time.Second * time.Duration(len(s.senders)) / time.Duration(s.rate)
	select { // the senders take turns
	case <-time.After(interval * time.Duration(n) / time.Duration(len(s.senders))):
	case <-ctx.Done():
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-sending.Done():
			return ctx.Err()
		case at := <-tick.C:
			id, err := c.exchange(ctx, i)
			if err != nil {
				return fmt.Errorf("a message was not accepted: %w", err)
			}
			key, ok := keyOf(id)
			if !ok {
				return fmt.Errorf("%q is no message's id", id)
			}
			s.mu.Lock()
			s.sentAt[key] = at.Sub(s.begin)
			s.mu.Unlock()
		}
	}
}

func (s *steady) await(ctx context.Context, timeout time.Duration) (latency, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	poll := time.NewTicker(250 * time.Millisecond)
	defer poll.Stop()
	for {
		took, missing := s.took()
		if missing == 0 {
			return latencyOf(took), nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return latency{}, fmt.Errorf("%d messages have not arrived in %s", missing, timeout)
		}
	}
}

func (s *steady) took() (took []time.Duration, missing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.sentAt {
		if arrived, ok := s.arriveAt[id]; ok {
			took = append(took, arrived-at)
		} else {
			missing++
		}
	}
	return took, missing
}
