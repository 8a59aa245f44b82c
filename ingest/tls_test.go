package ingest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// handshake returns why a TLS connection to a port fails.
func handshake(t testing.TB, address string, config *tls.Config) error {
	t.Helper()
	config.MinVersion = tls.VersionTLS12
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err == nil {
		_ = conn.Close()
		t.Fatal("there is no error")
	}
	return err
}

func TestExplainTLS(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	ports := map[string]string{
		"tls":      secure.Listener.Addr().String(),
		"plain":    sourcetest.Serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "AMQP\x00\x00\x09\x01"); _ = c.Close() }),
		"hangs up": sourcetest.Serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _ = c.Close() }),
		"away":     closed.Listener.Addr().String(),
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	some := errors.New("it does not work")
	for name, test := range map[string]struct {
		err    error
		secure bool
		port   string
		want   string // before the error
	}{
		"tls is missing":    {some, false, "tls", "the port speaks TLS; it needs tls: {}"},
		"tls is there":      {some, true, "tls", ""},
		"no tls":            {tls.RecordHeaderError{Msg: "first record"}, true, "plain", "the port does not speak TLS; it needs no tls: {}"},
		"no tls, hidden":    {some, true, "plain", "the port does not speak TLS"},
		"no tls, hung up":   {io.EOF, true, "hangs up", "the port hangs up at the handshake"},
		"no tls wanted":     {some, false, "plain", ""},
		"nobody there":      {some, true, "away", ""},
		"no answer":         {context.DeadlineExceeded, false, "tls", ""},
		"another authority": {handshake(t, ports["tls"], &tls.Config{}), true, "tls", "tls: ca_file, or without it the system, does not know"},
		"another name":      {handshake(t, ports["tls"], &tls.Config{RootCAs: trusted, ServerName: "elsewhere.example"}), true, "tls", "tls: the broker's certificate is for other names"},
		"an old certificate": {handshake(t, ports["tls"], &tls.Config{
			RootCAs: trusted, ServerName: "example.com", Time: func() time.Time { return secure.Certificate().NotAfter.Add(time.Hour) },
		}), true, "tls", "tls: the broker's certificate is not valid"},
		"a certificate is wanted": {&net.OpError{Op: "remote error", Err: some}, true, "tls", "tls: the broker refuses the handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ingest.ExplainTLS(t.Context(), test.err, test.secure, "tls: {}", ports["away"], ports[test.port])
			if same := err.Error() == test.err.Error(); !errors.Is(err, test.err) || !strings.HasPrefix(err.Error(), test.want) || same != (test.want == "") {
				t.Errorf("%v is explained as %q, want %q before it", test.err, err, test.want)
			}
		})
	}
	if err := ingest.ExplainTLS(t.Context(), nil, true, ""); err != nil {
		t.Errorf("no error is explained as %v", err)
	}
}
