package rig

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// listenHTTP starts a server that runs until the test ends, and returns its URL.
func listenHTTP(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	NeedOwnProcesses(t)
	listener := Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	serveHTTP(t, listener, &http.Server{Handler: handler})
	return "http://" + listener.Addr().String() + "/"
}

// serveHTTP serves until the test ends, and then waits for all handlers to return. http.Server.Close does not wait
// for them, and a handler that reported an error after its test had ended would fail the whole run without naming a
// test.
func serveHTTP(t testing.TB, listener net.Listener, server *http.Server) {
	t.Helper()
	var running handlers
	server.Handler, server.ReadHeaderTimeout = running.around(server.Handler), Patience
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close() // ends the contexts of requests
		<-served
		running.end(t)
	})
}

// handlers are the running handlers of one server.
type handlers struct {
	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
}

func (h *handlers) around(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.begin() {
			defer h.running.Done()
			handler.ServeHTTP(w, r)
		}
	})
}

// begin reports whether a new handler may start.
func (h *handlers) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.running.Add(1)
	}
	return !h.ended
}

// end waits until the last handler has returned.
func (h *handlers) end(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	returned := make(chan struct{})
	go func() { h.running.Wait(); close(returned) }()
	select {
	case <-returned:
	case <-time.After(Patience):
		t.Error("a receiver's handler does not return after its connection was closed")
	}
}

// ServeTCP passes each connection to serve, which closes it. All calls of serve have returned when the test ends.
func ServeTCP(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	listener := Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	var mu sync.Mutex
	var running sync.WaitGroup
	open := map[net.Conn]bool{}
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			running.Go(func() {
				serve(conn)
				mu.Lock()
				defer mu.Unlock()
				delete(open, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}
