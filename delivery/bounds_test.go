package delivery

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// flood writes piece again and again, as fast as it is read, until writing fails.
func flood(conn net.Conn, begin, piece string) {
	_, err := io.WriteString(conn, begin)
	for err == nil {
		_, err = io.WriteString(conn, piece)
	}
}

// The timeouts are long, because a limit on bytes must end these attempts.
func TestReceiversThatFloodAreCutOff(t *testing.T) {
	t.Parallel()
	const tooMuch = "error making request: the answer's header is longer than 64 KiB"
	for name, c := range map[string]struct {
		begin, piece string
		status       int16
		response     string
	}{
		"interim responses":   {"", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), 0, tooMuch},
		"headers":             {"HTTP/1.1 200 OK\r\n", strings.Repeat("X-A: b\r\n", 100), 200, ""},
		"one header":          {"HTTP/1.1 200 OK\r\nX-A: ", strings.Repeat("a", 4096), 200, ""},
		"a status line":       {"HTTP/1.1 200 ", strings.Repeat("a", 4096), 0, tooMuch},
		"a body":              {"HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("a", 4096), 200, "aaaa"},
		"a body in chunks":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\na\r\n", 500), 200, "aaaa"},
		"a chunk's extension": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("a", 4096), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := serveRaw(t, func(conn net.Conn) { flood(conn, c.begin, c.piece) })
			config := testConfig()
			config.RequestTimeout = 20 * time.Second
			s := newSender(config, time.Now)
			t.Cleanup(s.pool.closeKept)
			s.bodyTimeout = 20 * time.Second
			before := time.Now()
			attempt := s.send(t.Context(), testDelivery("http://"+receiver))
			if attempt.ResponseStatusCode != c.status || !strings.HasPrefix(attempt.Response, c.response) || len(attempt.Response) > core.ResponseBytesMax {
				t.Errorf("%d %.100q", attempt.ResponseStatusCode, attempt.Response)
			}
			if took := time.Since(before); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestHeadersOfAnAnswerAreBounded(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, both := range []bool{false, true} {
		receiver := a.serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("a", int(r.ContentLength)))
		}, func(r *httptest.Server) { r.EnableHTTP2 = both })
		config := testConfig()
		config.Roots = a.roots
		_, config.resolver = newNameServer(t, hooksZone(), 10*time.Second)
		s := newSender(config, time.Now)
		t.Cleanup(s.pool.closeKept)
		d := testDelivery(strings.Replace(receiver.URL, "127.0.0.1", "hooks.example", 1))
		for _, length := range []int{60 << 10, 70 << 10, 600 << 10} {
			d.Payload = strings.Repeat("a", length)
			attempt := s.send(t.Context(), d)
			if both && length > headerBlockBytesMax {
				if attempt.Response != errHeaderTooLong.Error() {
					t.Errorf("%d bytes: %+v", length, attempt)
				}
			} else if attempt.ResponseStatusCode != 200 {
				t.Errorf("HTTP/2 %v, %d bytes: %d %.200q", both, length, attempt.ResponseStatusCode, attempt.Response)
			}
		}
	}
}

// The first connection dies silently, as when a firewall forgets it. All attempts to a receiver share it, so without
// pings they would all fail until the kernel gave it up.
func TestADeadHTTP2ConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	receiver := a.serveTLS(t, func(http.ResponseWriter, *http.Request) {}, func(r *httptest.Server) { r.EnableHTTP2 = true })
	var connections atomic.Int32
	var dead atomic.Bool
	relay := serveConns(t, func(conn net.Conn) {
		first := connections.Add(1) == 1
		relayUnless(conn, receiver.Listener.Addr().String(), func() bool { return first && dead.Load() })
	})
	config := testConfig()
	config.RequestTimeout, config.Roots = time.Minute, a.roots
	_, config.resolver = newNameServer(t, hooksZone(), 10*time.Second)
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	pings := s.pool.http2.HTTP2
	if pings.SendPingTimeout == 0 || pings.SendPingTimeout+pings.PingTimeout >= 30*time.Second {
		t.Errorf("it takes longer than an attempt to notice: %+v", pings)
	}
	pings.SendPingTimeout, pings.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
	_, port, _ := net.SplitHostPort(relay)
	d := testDelivery("https://hooks.example:" + port)
	if attempt := s.send(t.Context(), d); attempt.Status != core.StatusSuccess {
		t.Fatal(attempt.Response)
	}
	dead.Store(true)
	// This attempt detects that the connection is dead.
	if attempt := s.send(t.Context(), d); attempt.Status != core.StatusSuccess || attempt.replays != 1 {
		t.Errorf("%+v", attempt)
	}
	if attempt := s.send(t.Context(), d); attempt.Status != core.StatusSuccess || connections.Load() != 2 {
		t.Errorf("%d connections, %+v", connections.Load(), attempt)
	}
}

// relayUnless relays bytes in both directions, or drops them while swallow returns true.
func relayUnless(conn net.Conn, to string, swallow func() bool) {
	other, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() { defer close(done); pass(conn, other, swallow) }()
	pass(other, conn, swallow)
	<-done
}

func pass(to, from net.Conn, swallow func() bool) {
	defer to.Close()
	for buffer := make([]byte, 4096); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !swallow() {
			_, _ = to.Write(buffer[:n])
		}
	}
}
