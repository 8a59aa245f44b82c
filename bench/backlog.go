package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// variant is a way in which endpoints are dead.
type variant struct {
	name      string
	endpoints int
	answer    http.HandlerFunc // nil: nothing listens
}

var allVariants = []variant{
	{"hanging", 1, hang},
	{"refused", 1, nil},
	{"slow", 1, answerLate},
	{"hostile", 1, dripForever},
	{"many", 20, hang},
}

// hang never responds, so that each attempt takes as long as it may.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// answerLate takes nearly as long as an attempt may, and then succeeds, so that the endpoint does not look dead.
func answerLate(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(25 * time.Second):
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
}

// dripForever sends a body that never ends, too slowly to be cut off for its size.
func dripForever(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		_, err := io.WriteString(w, "drip")
		if err = errors.Join(err, http.NewResponseController(w).Flush()); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// receiveAt serves on a free port of the loopback interface until stop is called.
func receiveAt(ctx context.Context, handler http.Handler) (url string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }() // until it is closed
	return "http://" + listener.Addr().String() + "/", func() { _ = s.Close() }, nil
}

// backlog is the pending deliveries of dead endpoints, all in one application.
type backlog struct {
	api       apiClient
	app       string
	endpoints []string
	stop      func()
}

// batchMax is the largest number of messages in a request.
const batchMax = 1000

// stock creates the dead endpoints and fills their queues, as fast as messages are accepted.
func (b *bench) stock(ctx context.Context, api apiClient, v variant) (_ *backlog, err error) {
	url, stop, err := receiveAt(ctx, v.answer)
	if err != nil {
		return nil, err
	}
	if v.answer == nil {
		stop() // no other process takes the port so soon
	}
	l := &backlog{api: api, stop: stop}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	var made struct{ ID string }
	if err := api.call(ctx, http.MethodPost, "/api/v1/app", map[string]string{"name": "Dead"}, &made); err != nil {
		return nil, err
	}
	l.app = made.ID
	for range v.endpoints {
		in := map[string]string{"url": url, "secret": b.secret}
		if err := api.call(ctx, http.MethodPost, "/api/v1/app/"+l.app+"/endpoint", in, &made); err != nil {
			return nil, err
		}
		l.endpoints = append(l.endpoints, made.ID)
	}
	return l, b.fill(ctx, api, l.app, v)
}

// stockNothing sends as many messages as stock does, but to no endpoint. Storing messages causes checkpoints and
// vacuuming for a while; their cost is then the same when endpoints are measured alone.
func (b *bench) stockNothing(ctx context.Context, api apiClient, v variant) error {
	var made struct{ ID string }
	if err := api.call(ctx, http.MethodPost, "/api/v1/app", map[string]string{"name": "Nobody"}, &made); err != nil {
		return err
	}
	return b.fill(ctx, api, made.ID, v)
}

// fill sends an application's backlog.
func (b *bench) fill(ctx context.Context, api apiClient, app string, v variant) error {
	for left := b.backlog / v.endpoints; left > 0; left -= batchMax {
		path := "/api/v1/app/" + app + "/msg/batch?with_content=false"
		if err := api.call(ctx, http.MethodPost, path, batchOf(min(left, batchMax), b.payload), nil); err != nil {
			return err
		}
	}
	return nil
}

// batchOf returns a request for n messages.
func batchOf(n, payload int) json.RawMessage {
	body := []byte(`{"messages":[`)
	for i := range n {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"eventType":"invoice.paid","payload":`...)
		body = appendPayload(body, i, payload)
		body = append(body, '}')
	}
	return append(body, `]}`...)
}

// left returns how many deliveries are still pending. Most must be, or nothing was measured.
func (l *backlog) left(ctx context.Context) (owed int, err error) {
	for _, endpoint := range l.endpoints {
		var stats struct{ Pending, Sending int }
		path := "/api/v1/app/" + l.app + "/endpoint/" + endpoint + "/stats"
		if err := l.api.call(ctx, http.MethodGet, path, nil, &stats); err != nil {
			return 0, fmt.Errorf("what is left: %w", err)
		}
		owed += stats.Pending + stats.Sending
	}
	return owed, nil
}
