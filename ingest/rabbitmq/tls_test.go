package rabbitmq

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/postrider/postrider/ingest"
)

func TestBrokerIsSpokenToInTLS(t *testing.T) {
	t.Parallel()
	some := httptest.NewTLSServer(nil) // it has a certificate for 127.0.0.1
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
	settle(t, s, judged(receive(t, s), ingest.DeadLetter)) // both connections are
	closeSource(t, s)
	b.wantLeft(t, 0)
}
