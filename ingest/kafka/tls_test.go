package kafka

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// For an unreachable broker, checks and the log say how the error relates to TLS.
func TestTLSIsExplained(t *testing.T) {
	t.Parallel()
	secure := secured(t)
	other, _ := certify(t)
	// Kafka's brokers disconnect on a handshake, which they take for a very large request.
	plain := sourcetest.Serve(t, func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 4)); _ = c.Close() })
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Start()
	t.Cleanup(web.Close)
	for name, test := range map[string]struct {
		broker string
		tls    *ingest.TLS
		want   []string
	}{
		"none to a port with it":  {secure.Brokers[0], nil, []string{"brokers: the port speaks TLS; it needs tls: {}"}},
		"to a port without it":    {plain, &ingest.TLS{}, []string{"brokers: the port hangs up at the handshake", "tls: {}"}},
		"to a port of a web site": {web.Listener.Addr().String(), &ingest.TLS{}, []string{"brokers: the port does not speak TLS"}},
		"another authority":       {secure.Brokers[0], &ingest.TLS{CAFile: other}, []string{"brokers: tls: ca_file", "unknown authority"}},
		"another name":            {"localhost:" + port(t, secure.Brokers[0]), secure.TLS, []string{"brokers: tls: the broker's certificate is for other names"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := secure
			c.Brokers, c.TLS = []string{test.broker}, test.tls
			s := own(t, c, slog.New(slog.DiscardHandler))
			wantSaid(t, s.Check(t.Context()), test.want...)
			_, err := s.Receive(t.Context())
			wantSaid(t, err, test.want...)
		})
	}
}

func port(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
