package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// collected is how many bytes of telemetry a collector has received.
type collected struct{ Traces, Metrics int64 }

// collectMain is an OpenTelemetry collector that counts what it receives and discards it. It prints its address.
func collectMain(ctx context.Context, _ []string, stdout io.Writer) error {
	var traces, metrics atomic.Int64
	count := func(n *atomic.Int64) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			size, _ := io.Copy(io.Discard, r.Body) // what arrived before a failure counts
			n.Add(size)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", count(&traces))
	mux.HandleFunc("POST /v1/metrics", count(&metrics))
	mux.HandleFunc("GET /received", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(collected{traces.Load(), metrics.Load()}) // fails only if the parent has ended
	})
	return serveHTTP(ctx, mux, stdout)
}

// observed returns the scenario with telemetry: the service exports metrics and a share of its traces every second.
// A round fails unless they arrive.
func (s served) observed(ctx context.Context, share float64, hook string) (*target, error) {
	collector, address, err := startListener(ctx, "collect", nil)
	if err != nil {
		return nil, err
	}
	t, err := s.start(ctx, hook, "", "-collector", "http://"+address, "-traces", strconv.FormatFloat(share, 'f', -1, 64))
	if err != nil {
		collector.stop()
		return nil, err
	}
	stop, check := t.stop, t.check
	t.stop = func() { stop(); collector.stop() }
	t.check = func(ctx context.Context, ids []string) error {
		if err := check(ctx, ids); err != nil {
			return err
		}
		return awaitTelemetry(ctx, apiClient{base: "http://" + address})
	}
	return t, nil
}

// telemetryPatience is how long the first traces and metrics may take to arrive, though they are exported every second.
const telemetryPatience = 15 * time.Second

func awaitTelemetry(ctx context.Context, collector apiClient) error {
	var got collected
	for end := time.Now().Add(telemetryPatience); time.Now().Before(end); {
		if err := collector.call(ctx, http.MethodGet, "/received", nil, &got); err != nil {
			return err
		}
		if got.Traces > 0 && got.Metrics > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return fmt.Errorf("telemetry is missing: the collector received %d bytes of traces and %d of metrics", got.Traces, got.Metrics)
}
