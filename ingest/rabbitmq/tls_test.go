package rabbitmq

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func TestBrokerIsSpokenToInTLS(t *testing.T) {
	t.Parallel()
	some := httptest.NewTLSServer(nil) // its certificate is for 127.0.0.1
	defer some.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: some.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 1)...)
	b.config.URL = "amqps" + b.server.urlAt(newProxy(t, b.server, some.TLS).Addr().String())[len("amqp"):]
	if err := b.source(t).Check(t.Context()); err == nil {
		t.Error("nobody vouches for the broker: no error")
	}
	b.config.TLS = &ingest.TLS{CAFile: authority}
	s := b.source(t)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	settle(t, s, judged(receive(t, s), ingest.DeadLetter)) // both connections use TLS
	closeSource(t, s)
	b.wantLeft(t, 0)
}

// The error of an unreachable broker says how it relates to TLS. This needs no RabbitMQ.
func TestTLSIsExplained(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	// RabbitMQ responds to an unknown protocol with its own version, and disconnects.
	plain := sourcetest.Serve(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 8))
		_, _ = io.WriteString(c, "AMQP\x00\x00\x09\x01")
		_ = c.Close()
	})
	for name, test := range map[string]struct{ url, want string }{
		"none to a port with it": {"amqp://" + secure.Listener.Addr().String(), "the port speaks TLS; it needs amqps:// in url"},
		"to a port without it":   {"amqps://" + plain, "the port does not speak TLS; it needs no amqps:// in url"},
		"another authority":      {"amqps://" + secure.Listener.Addr().String(), "tls: ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{URL: test.url, Queue: "billing", DeadLetterExchange: "dead"}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{s.Check(t.Context()), receiveError(t, s)} {
				if err == nil || !strings.Contains(err.Error(), "connect: "+test.want) {
					t.Errorf("the error is %v, want one that says %q", err, test.want)
				}
			}
		})
	}
}

func receiveError(t testing.TB, s *Source) error {
	t.Helper()
	_, err := s.Receive(t.Context())
	return err
}
