package delivery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// counting counts the connections that a receiver accepts.
func counting(server *httptest.Server, n *atomic.Int32) {
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
}

// countingReceiver starts a receiver and counts the connections to it.
func countingReceiver(t *testing.T, n *atomic.Int32, handler http.Handler) *httptest.Server {
	t.Helper()
	receiver := httptest.NewUnstartedServer(handler)
	counting(receiver, n)
	receiver.Start()
	t.Cleanup(receiver.Close)
	return receiver
}

func TestHTTPSByBothVersions(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, version := range []int{1, 2} {
		var connections atomic.Int32
		receiver := a.serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %s", r.ProtoMajor, body)
		}, func(s *httptest.Server) {
			s.EnableHTTP2 = version == 2
			counting(s, &connections)
		})
		config := testConfig()
		config.Roots = a.roots
		_, config.resolver = newNameServer(t, hooksZone(), 10*time.Second)
		s := newSender(config, time.Now)
		t.Cleanup(s.pool.closeKept)
		for range 3 {
			attempt := s.send(t.Context(), testDelivery("https://hooks.example:"+port(t, receiver)))
			if want := fmt.Sprint(version, ` {"a": 1}`); attempt.Response != want {
				t.Errorf("%q, want %q", attempt.Response, want)
			}
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("HTTP/%d: %d connections", version, n)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"after a success": func(http.ResponseWriter, *http.Request) {},
		"after an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"after a long body": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 30_000))
		},
		"after a long error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, strings.Repeat("x", 30_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			receiver := countingReceiver(t, &connections, whole(handler))
			s := newSender(testConfig(), time.Now)
			t.Cleanup(s.pool.closeKept)
			for range 20 {
				s.send(t.Context(), testDelivery(receiver.URL))
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("20 attempts made %d connections", n)
			}
		})
	}
}

// A receiver that closes a kept connection just as it is reused has not seen the request.
func TestAKeptConnectionThatIsClosedCostsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"": "", "with an Idempotency-Key of the endpoint's": "k"} {
		t.Run("closed"+name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			receiver := serveConns(t, func(conn net.Conn) {
				connections.Add(1)
				reader := bufio.NewReader(conn)
				request, err := http.ReadRequest(reader)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
				_, _ = http.ReadRequest(reader) // and closes while the next one is on its way
			})
			s := newSender(testConfig(), time.Now)
			t.Cleanup(s.pool.closeKept)
			d := testDelivery("http://" + receiver)
			if key != "" {
				d.Headers = core.Headers{"Idempotency-Key": key}
			}
			for range 5 {
				if attempt := s.send(t.Context(), d); attempt.Response != "done" {
					t.Errorf("%+v", attempt)
				}
			}
			if n := connections.Load(); n != 5 {
				t.Errorf("5 attempts made %d connections", n)
			}
		})
	}
}

func TestABodyThatDripsHoldsNoPlace(t *testing.T) {
	t.Parallel()
	for name, chunk := range map[string]string{"dripping": "x", "nothing": ""} {
		receiver := httptest.NewServer(whole(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, chunk)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		}))
		config := testConfig()
		config.RequestTimeout = time.Minute
		s := newSender(config, time.Now)
		s.bodyTimeout = 100 * time.Millisecond
		before := time.Now()
		attempt := s.send(t.Context(), testDelivery(receiver.URL))
		if took := time.Since(before); attempt.Status != core.StatusSuccess || took > 20*time.Second {
			t.Errorf("%s: %+v after %s", name, attempt, took)
		}
		if chunk != "" && !strings.HasPrefix(attempt.Response, chunk) {
			t.Errorf("%s: what came was not kept: %q", name, attempt.Response)
		}
		receiver.Close()
		s.pool.closeKept()
	}
}

func TestAConnectionThatIsSwitchedIsClosed(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	receiver := serveRaw(t, func(conn net.Conn) {
		defer close(ended)
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		untilClosed(conn)
	})
	s := newSender(testConfig(), time.Now)
	attempt := s.send(t.Context(), testDelivery("http://"+receiver))
	if attempt.ResponseStatusCode != 101 || attempt.Status != core.StatusFail {
		t.Errorf("%+v", attempt)
	}
	<-ended
}

func TestAFewInterimAnswersAreNone(t *testing.T) {
	t.Parallel()
	attempt := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 4 {
			w.WriteHeader(http.StatusEarlyHints)
		}
		fmt.Fprint(w, "thanks")
	}, nil)
	if attempt.Response != "thanks" || attempt.ResponseStatusCode != 200 {
		t.Errorf("%+v", attempt)
	}
}

func TestInterimAnswersByHTTP2HaveABound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	receiver := a.serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", strings.Repeat("x", 1000))
		for r.Context().Err() == nil {
			w.WriteHeader(http.StatusEarlyHints)
		}
	}, func(s *httptest.Server) { s.EnableHTTP2 = true })
	config := testConfig()
	config.Roots, config.RequestTimeout = a.roots, time.Minute
	_, config.resolver = newNameServer(t, hooksZone(), 10*time.Second)
	attempt := sendBy(t, config, "https://hooks.example:"+port(t, receiver))
	if attempt.Response != "error making request: the answer's header is malformed, or longer than 64 KiB" {
		t.Errorf("%+v", attempt)
	}
}

func TestWhoIsInTheURLIsAuthorized(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"": "Basic bWU6b3BlbnNlc2FtZQ==", "Bearer own": "Bearer own"} {
		var got string
		receive(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }, func(d *core.Delivery, _ *Config) {
			d.URL = strings.Replace(d.URL, "http://", "http://me:"+password+"@", 1)
			if own != "" {
				d.Headers = core.Headers{"authorization": own}
			}
		})
		if got != want {
			t.Errorf("with %q: %q, want %q", own, got, want)
		}
	}
}

func TestAnEndpointsHeadersDoNotReplaceOurs(t *testing.T) {
	t.Parallel()
	var header http.Header
	attempt := receive(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Clone() }, func(d *core.Delivery, _ *Config) {
		d.Headers = core.Headers{}
		for _, name := range []string{
			"webhook-id", "WEBHOOK-TIMESTAMP", "Webhook-Signature", "svix-id", "SVIX-Timestamp", "svix-signature", "content-type", "USER-AGENT",
		} {
			d.Headers[name] = "forged"
		}
	})
	if attempt.Status != core.StatusSuccess {
		t.Errorf("%+v", attempt)
	}
	for name, values := range header {
		if len(values) != 1 || values[0] == "forged" {
			t.Errorf("%s: %q", name, values)
		}
	}
}

// The transport may finish a connection for an attempt that has ended or that uses another connection.
func TestAttemptsShareConnectionsThatOthersBegan(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(whole(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	s := newSender(testConfig(), time.Now)
	t.Cleanup(s.pool.closeKept)
	var running sync.WaitGroup
	for i := range 40 {
		running.Go(func() {
			ctx, cut := context.WithCancel(t.Context())
			defer cut()
			if i%2 == 0 {
				cut() // before the connection is made
			}
			attempt := s.send(ctx, testDelivery(receiver.URL))
			if i%2 == 1 && attempt.Status != core.StatusSuccess {
				t.Errorf("%+v", attempt)
			}
		})
	}
	running.Wait()
}
