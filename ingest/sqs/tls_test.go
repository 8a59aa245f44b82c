package sqs

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The error of an unreachable endpoint says how it relates to TLS.
func TestTLSIsExplained(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, test := range map[string]struct{ endpoint, want string }{
		"none to a port with it": {"http://" + secure.Listener.Addr().String(), "the port speaks TLS; it needs https:// in queue_url and endpoint"},
		"to a port without it":   {"https://" + plain.Listener.Addr().String(), "the port does not speak TLS; it needs no https://"},
		"another authority":      {"https://" + secure.Listener.Addr().String(), "tls: ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{QueueURL: test.endpoint + "/000000000000/orders", Region: "us-east-1"}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.http.CloseIdleConnections)
			_, receiveErr := s.Receive(t.Context())
			for _, err := range []error{s.Check(t.Context()), receiveErr} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("the error is %v, want one that says %q", err, test.want)
				}
			}
		})
	}
}
