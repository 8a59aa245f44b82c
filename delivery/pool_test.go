package delivery

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// testClock is a clock set by tests.
type testClock struct{ at atomic.Int64 }

func (c *testClock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *testClock) advance(d time.Duration) { c.at.Add(int64(d)) }

func TestKeptConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.IdleConnections = 4
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	var connections atomic.Int32
	var receivers []*httptest.Server
	for range 6 {
		receiver := countingReceiver(t, &connections, whole(func(http.ResponseWriter, *http.Request) {}))
		receivers = append(receivers, receiver)
		s.send(t.Context(), testDelivery(receiver.URL))
	}
	if n := s.pool.kept.Len(); n != 4 {
		t.Errorf("%d connections are kept", n)
	}
	for _, r := range receivers[2:] {
		s.send(t.Context(), testDelivery(r.URL))
	}
	if n := connections.Load(); n != 6 {
		t.Errorf("%d connections: not the oldest ones were closed", n)
	}
	s.send(t.Context(), testDelivery(receivers[0].URL))
	if n := connections.Load(); n != 7 {
		t.Errorf("%d connections", n)
	}
}

// A receiver that hosts many endpoints gets more attempts at a time than an endpoint may. Connections beyond that limit
// were closed after each attempt.
func TestReceiverOfManyEndpointsMayHaveHalfOfTheConnections(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.EndpointConcurrency, config.IdleConnections = 2, 16
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	var connections atomic.Int32
	arrived, proceed := make(chan struct{}), make(chan struct{})
	receiver := countingReceiver(t, &connections, whole(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-proceed
	}))
	for _, step := range []struct{ attempts, made, kept int }{{8, 8, 8}, {8, 8, 8}, {12, 12, 8}} {
		var running sync.WaitGroup
		for range step.attempts {
			running.Go(func() { s.send(t.Context(), testDelivery(receiver.URL)) })
		}
		for range step.attempts {
			<-arrived
		}
		for range step.attempts {
			proceed <- struct{}{}
		}
		running.Wait()
		if made, kept := int(connections.Load()), s.pool.kept.Len(); made != step.made || kept != step.kept {
			t.Errorf("after %d attempts at a time: %d connections made and %d kept, want %d and %d", step.attempts, made, kept,
				step.made, step.kept)
		}
	}
}

func TestOnlyConnectionThatMayBeKeptIsKept(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.IdleConnections = 1
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	var connections atomic.Int32
	receiver := countingReceiver(t, &connections, whole(func(http.ResponseWriter, *http.Request) {}))
	for range 2 {
		s.send(t.Context(), testDelivery(receiver.URL))
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("2 attempts made %d connections", n)
	}
}

func TestConnectionsAreSweptOut(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := a.serveTLS(t, func(http.ResponseWriter, *http.Request) {}, func(r *httptest.Server) { r.EnableHTTP2 = http2 })
			clock := &testClock{}
			clock.at.Store(time.Now().UnixNano())
			s := a.sendTo(t, nil)
			s.pool.clock = clock.now
			url := "https://hooks.example:" + port(t, receiver)
			s.send(t.Context(), testDelivery(url))
			for _, step := range []struct {
				after time.Duration
				kept  int
			}{{keptFor / 2, 1}, {keptFor, 0}} {
				clock.advance(step.after)
				// The library may still be cleaning up after the request and not yet report the connection as idle.
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
					if s.pool.sweepOut(); s.pool.kept.Len() == step.kept {
						break
					}
				}
				if n := s.pool.kept.Len(); n != step.kept {
					t.Errorf("after %s: %d connections are kept", step.after, n)
				}
			}
			if len(s.pool.hosts) != 0 {
				t.Error("a host of which nothing is left is remembered")
			}
		})
	}
}

func TestConnectionsThatReceiversClosedAreSweptOut(t *testing.T) {
	t.Parallel()
	closing, closed := make(chan struct{}), make(chan struct{})
	receiver := serveConns(t, func(conn net.Conn) {
		serveOne(conn)
		<-closing
		conn.Close()
		close(closed)
	})
	s := newSender(testConfig(), time.Now)
	t.Cleanup(s.pool.closeKept)
	if attempt := s.send(t.Context(), testDelivery("http://"+receiver)); attempt.Status != core.StatusSuccess {
		t.Fatalf("%+v", attempt)
	}
	if s.pool.sweepOut(); s.pool.kept.Len() != 1 {
		t.Error("a connection that is open was closed")
	}
	close(closing)
	<-closed
	if s.pool.sweepOut(); s.pool.kept.Len() != 0 {
		t.Error("a connection that was closed is kept")
	}
}

// serveOne answers one request with 200.
func serveOne(conn net.Conn) {
	buffer := make([]byte, 64<<10)
	for n := 0; ; {
		read, err := conn.Read(buffer[n:])
		if err != nil {
			return
		}
		if n += read; n > 8 && string(buffer[n-8:n]) == `{"a": 1}` {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
	}
}

func TestAttemptsShareAnHTTP2Connection(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var connections atomic.Int32
	var together sync.WaitGroup
	together.Add(21)
	arrived := make(chan struct{}, 21)
	receiver := a.serveTLS(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		together.Done()
		together.Wait()
	}, func(r *httptest.Server) {
		r.EnableHTTP2 = true
		counting(r, &connections)
	})
	s := a.sendTo(t, nil)
	d := testDelivery("https://hooks.example:" + port(t, receiver))
	var running sync.WaitGroup
	send := func() {
		if attempt := s.send(t.Context(), d); attempt.Status != core.StatusSuccess {
			t.Errorf("%+v", attempt)
		}
	}
	running.Go(send)
	<-arrived
	for range 20 {
		running.Go(send)
	}
	running.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("21 attempts at a time made %d connections", n)
	}
}

func TestConnectionsByAProxyAreKept(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"HTTP": "http://" + (&testProxy{}).serveHTTP(t).address, "SOCKS": "socks5://" + (&testProxy{}).serveSOCKS(t).address,
	} {
		var connections atomic.Int32
		receiver := countingReceiver(t, &connections, whole(func(http.ResponseWriter, *http.Request) {}))
		config := testConfig()
		config.Proxy = mustProxy(t, ProxyConfig{URL: url})
		s := newSender(config, time.Now)
		t.Cleanup(s.pool.closeKept)
		for range 3 {
			if attempt := s.send(t.Context(), testDelivery(receiver.URL)); attempt.Status != core.StatusSuccess {
				t.Errorf("%s: %+v", name, attempt)
			}
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%s: 3 attempts made %d connections", name, n)
		}
	}
}
