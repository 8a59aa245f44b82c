package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// strangersText is sent by clients and receivers here. At level info no log line contains it.
const strangersText = "STRANGERS-\x1b[31m-TEXT"

// TestLogHoldsNothingButEvents has clients and receivers send input that makes libraries log. Everything the process
// writes must still be an event of the configured format and level.
func TestLogHoldsNothingButEvents(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			p, s := rig.Serve(t, "POSTRIDER_LOG_LEVEL="+level.String(), "POSTRIDER_RETRY_SCHEDULE=",
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_SAMPLER=never", "OTEL_EXPORTER_OTLP_COMPRESSION=never")
			c := s.NewTenant(t)
			app := c.NewApplication(t)
			chatty, idle := newStranger(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			mute, _ := newStranger(t, "")
			for _, url := range []string{"http://" + chatty, "https://" + mute, "http://" + mute} {
				rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url}, nil))(t)
			}
			message := c.SendMessage(t, app)
			c.AwaitAttempts(t, app, message, 3)
			for _, request := range []string{
				"\x16\x03\x01" + strangersText + "\r\n\r\n", "GET /%zz" + strangersText + " HTTP/1.1\r\n\r\n", strangersText + "\r\n\r\n",
				"GET / HTTP/1.1\r\nHost: " + strangersText + "\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + strangersText + "\r\n\r\n",
			} {
				wantRefusal(t, strings.TrimPrefix(s.URL, "http://"), request)
			}
			rig.Await(t, func() string {
				if !idle.Load() {
					return "the connection on which more came than was asked for is open"
				}
				return ""
			})
			p.Stop(t)
			wantEvents(t, p, level)
		})
	}
}

// newStranger starts a receiver that answers each connection with the given text, and then sends more than was
// requested. hungUp is set once the other side has then closed a connection.
func newStranger(t *testing.T, answer string) (address string, hungUp *atomic.Bool) {
	t.Helper()
	hungUp = new(atomic.Bool)
	address = rig.ServeTCP(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(rig.Patience))
		r := bufio.NewReader(c)
		if answer != "" {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
		} else if _, err := r.Peek(1); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		_, _ = io.WriteString(c, strangersText+"\r\n\r\n")
		if answer != "" {
			_, _ = io.Copy(io.Discard, r)
			hungUp.Store(true)
		}
	})
	return address, hungUp
}

// wantRefusal sends bytes that are not a valid request, and expects a JSON answer that pages of any origin can read.
func wantRefusal(t *testing.T, address, request string) {
	t.Helper()
	c := rig.Must(net.Dial("tcp", address))(t)
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(rig.Patience))
	rig.Must(io.WriteString(c, request))(t)
	answer := rig.Must(http.ReadResponse(bufio.NewReader(c), nil))(t)
	body := rig.Must(io.ReadAll(answer.Body))(t)
	if answer.StatusCode < 400 || answer.Header.Get("Access-Control-Allow-Origin") != "*" || !json.Valid(body) {
		t.Errorf("%q is answered %s %v %s", request, answer.Status, answer.Header, body)
	}
}

// wantEvents fails unless every line of the process's log is an event of the given level or above.
func wantEvents(t *testing.T, p *rig.Process, level slog.Level) {
	t.Helper()
	if p.Stderr.String() != "" {
		t.Errorf("stderr: %q", rig.Tail(p.Stderr.String()))
	}
	for line := range strings.Lines(p.Stdout.String()) {
		var event struct {
			Level slog.Level
			Msg   string
			Time  time.Time
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil || event.Msg == "" || event.Time.IsZero() || event.Level < level {
			t.Errorf("a line is no event at %s: %v: %q", level, err, line)
		}
		if strings.Contains(line, "STRANGERS") && level > slog.LevelDebug {
			t.Errorf("the log holds what a stranger sent: %q", line)
		}
	}
}
