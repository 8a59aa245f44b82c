package delivery

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/postrider/postrider/core"
)

func TestRequestIsSentOnceMoreAtMostWhenKeptConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	const kept = 20
	var requests atomic.Int32
	var closing atomic.Bool
	var together sync.WaitGroup // all requests run at the same time, so that each has its own connection
	together.Add(kept)
	receiver := serveConns(t, func(conn net.Conn) {
		for reader := bufio.NewReader(conn); ; {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			if closing.Load() {
				requests.Add(1)
				return
			}
			together.Done()
			together.Wait()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	config := testConfig()
	config.IdleConnections = 2 * kept
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	var running sync.WaitGroup
	for range kept {
		running.Go(func() {
			if attempt := s.send(t.Context(), testDelivery("http://"+receiver)); attempt.Status != core.StatusSuccess {
				t.Errorf("%+v", attempt)
			}
		})
	}
	running.Wait()
	closing.Store(true)
	attempt := s.send(t.Context(), testDelivery("http://"+receiver))
	if attempt.Response != "error making request: the connection was closed before an answer" || attempt.replays != 1 {
		t.Errorf("%+v", attempt)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests in one attempt", n)
	}
}

func TestReplaysAreLogged(t *testing.T) {
	t.Parallel()
	receiver := serveConns(t, func(conn net.Conn) { serveOne(conn); serveNone(conn) })
	var lines bytes.Buffer
	w := New(testConfig(), newQueue(), time.Now, slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(w.sender.pool.closeKept)
	for range 2 {
		d := testDelivery("http://" + receiver)
		d.LeasedUntil = time.Now().Add(time.Hour)
		w.attempt(t.Context(), &queued{Delivery: d}, func() {})
	}
	for i, line := range strings.Split(strings.TrimSpace(lines.String()), "\n") {
		if want := `"replays":` + strconv.Itoa(i); !strings.Contains(line, want) {
			t.Errorf("%s lacks %s", line, want)
		}
	}
}

// serveNone reads and closes the connection once the sender has sent its request.
func serveNone(conn net.Conn) { _, _ = conn.Read(make([]byte, 64<<10)) }

func TestRequestIsNotSentAgainOnceThereIsAnAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"part of an answer": "HTTP/1.1 2", "garbage": "no HTTP\r\n\r\n", "an interim answer": "HTTP/1.1 103 Early Hints\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			receiver := serveConns(t, func(conn net.Conn) {
				for reader := bufio.NewReader(conn); ; {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					if requests.Add(1) > 1 {
						_, _ = io.WriteString(conn, answer)
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			s := newSender(testConfig(), time.Now)
			t.Cleanup(s.pool.closeKept)
			s.send(t.Context(), testDelivery("http://"+receiver))
			attempt := s.send(t.Context(), testDelivery("http://"+receiver))
			if n := requests.Load(); n != 2 || attempt.replays != 0 || attempt.Status != core.StatusFail {
				t.Errorf("%d requests, %+v", n, attempt)
			}
		})
	}
}

func TestHTTP2RequestIsSentOnceMoreAtMost(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, refuse := range map[string]func(p *http2Peer, stream uint32) bool{
		"GOAWAY before the stream":            func(p *http2Peer, _ uint32) bool { return p.WriteGoAway(0, http2.ErrCodeNo, nil) != nil },
		"GOAWAY before the stream, and close": func(p *http2Peer, _ uint32) bool { _ = p.WriteGoAway(0, http2.ErrCodeNo, nil); return false },
		"GOAWAY with an error": func(p *http2Peer, _ uint32) bool {
			_ = p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
			return false
		},
		"GOAWAY after the stream, and close": func(p *http2Peer, s uint32) bool { _ = p.WriteGoAway(s, http2.ErrCodeNo, nil); return false },
		"close":                              func(*http2Peer, uint32) bool { return false },
		"CANCEL":                             func(p *http2Peer, s uint32) bool { return p.WriteRSTStream(s, http2.ErrCodeCancel) == nil },
		"INTERNAL_ERROR":                     func(p *http2Peer, s uint32) bool { return p.WriteRSTStream(s, http2.ErrCodeInternal) == nil },
	} {
		for _, first := range []bool{true, false} { // the first request of a connection, or a later one
			t.Run(name+", first "+strconv.FormatBool(first), func(t *testing.T) {
				t.Parallel()
				url, requests := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool {
					if !first && p.requests.Load() == 1 {
						p.answer(stream, "200")
						return true
					}
					return refuse(p, stream)
				})
				s := a.sendTo(t, func(c *Config) { c.RequestTimeout = 2 * time.Second })
				before := int32(0)
				if !first {
					if attempt := s.send(t.Context(), testDelivery(url)); attempt.Status != core.StatusSuccess {
						t.Fatalf("%+v", attempt)
					}
					before = 1
				}
				attempt := s.send(t.Context(), testDelivery(url))
				if n := requests.Load() - before; n > 2 || int(n) != 1+attempt.replays || attempt.Status != core.StatusFail {
					t.Errorf("%d requests in one attempt, %+v", n, attempt)
				}
				if strings.HasSuffix(name, "close") && !first && attempt.replays != 1 {
					t.Errorf("a connection that was kept was closed: %+v", attempt)
				}
			})
		}
	}
}

func TestRefusedHTTP2StreamsAreTriedAFewTimes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, c := range map[string]struct {
		refusals int32
		requests int32
		status   int16
	}{
		"twice": {2, 3, 200}, "for ever": {1 << 30, 1 + refusedMax, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool {
				if p.requests.Load() <= c.refusals {
					return p.WriteRSTStream(stream, http2.ErrCodeRefusedStream) == nil
				}
				p.answer(stream, "200")
				return true
			})
			attempt := a.sendTo(t, nil).send(t.Context(), testDelivery(url))
			if n := requests.Load(); n != c.requests || attempt.replays != int(n)-1 || attempt.ResponseStatusCode != c.status {
				t.Errorf("%d requests, %+v", n, attempt)
			}
		})
	}
}

func TestHTTP11RequiredIsFollowedOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for name, refuse := range map[string]func(p *http2Peer, stream uint32) bool{
		"for the stream": func(p *http2Peer, s uint32) bool { return p.WriteRSTStream(s, http2.ErrCodeHTTP11Required) == nil },
		"for the connection": func(p *http2Peer, _ uint32) bool {
			_ = p.WriteGoAway(0, http2.ErrCodeHTTP11Required, nil)
			return false
		},
		"for the connection, after the stream": func(p *http2Peer, s uint32) bool {
			_ = p.WriteGoAway(s, http2.ErrCodeHTTP11Required, nil)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := a.serveHTTP2(t, refuse)
			s := a.sendTo(t, nil)
			for i, want := range []int32{2, 3, 4} { // from then on directly over HTTP/1.1
				attempt := s.send(t.Context(), testDelivery(url))
				if n := requests.Load(); n != want || attempt.Response != "by 1.1" || attempt.replays != max(0, 1-i) {
					t.Errorf("%d requests, %+v", n, attempt)
				}
			}
		})
	}
}

// Some receivers answer before they have read a large body, and close without reading the rest.
func TestEarlyAnswersAreRead(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	d := testDelivery("")
	d.Payload = strings.Repeat("x", 16<<20) // more than fits into the buffers of sockets
	ended := make(chan struct{})
	early := func(closes bool) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
			if !closes {
				<-ended
			}
		}
	}
	byHTTP2, _ := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool { p.answer(stream, "413"); return false })
	cases := map[string]struct{ url, response string }{
		"closed, unread":    {"http://" + serveConns(t, early(true)), "large"},
		"open, unread":      {"http://" + serveConns(t, early(false)), "large"},
		"HTTP/2, and close": {byHTTP2, ""},
	}
	t.Cleanup(func() { close(ended) })
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := a.sendTo(t, nil)
			for range 8 {
				d := d
				d.URL = c.url
				if attempt := s.send(t.Context(), d); attempt.ResponseStatusCode != 413 || attempt.Response != c.response || attempt.replays != 0 {
					t.Errorf("%+v", attempt)
				}
			}
		})
	}
}
