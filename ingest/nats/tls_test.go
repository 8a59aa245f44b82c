package nats

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/postrider/postrider/ingest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, others := makeCertificate(t), makeCertificate(t)
	n := startNode(t, func(o *server.Options) {
		pair, err := tls.LoadX509KeyPair(ours.CertFile, ours.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		o.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: pool(t, ours), ClientAuth: tls.RequireAndVerifyClientCert,
		}
		o.TLSTimeout = patience.Seconds()
	})
	plain := startNode(t)
	for name, c := range map[string]struct {
		node *node
		tls  *ingest.TLS
		want []string
	}{
		"well":              {n, &ours, []string{"there is no ORDERS"}},
		"another authority": {n, &ingest.TLS{CAFile: others.CAFile, CertFile: ours.CertFile, KeyFile: ours.KeyFile}, []string{"connect: tls: ca_file", "certificate"}},
		"not configured":    {n, nil, []string{"connect: tls: ca_file", "certificate"}},
		// The server's reason may or may not arrive before it disconnects.
		"without ours":         {n, &ingest.TLS{CAFile: ours.CAFile}, []string{"connect:", "tls"}},
		"a server without tls": {plain, &ours, []string{"connect: the server does not speak TLS", "secure connection not available"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A certificate is verified however the address is spelled.
			address := strings.Replace(c.node.server.Load().ClientURL(), "tls://", "nats://", 1)
			b := &broker{config: Config{
				URLs: []string{address}, Stream: "ORDERS", Consumer: "postrider", DeadLetterSubject: "dead", TLS: c.tls,
			}}
			wantError(t, b.source(t).Check(within(t)), c.want...)
		})
	}
}

func pool(t testing.TB, of ingest.TLS) *x509.CertPool {
	t.Helper()
	config, err := of.Config()
	if err != nil {
		t.Fatal(err)
	}
	return config.RootCAs
}

// makeCertificate creates a self-signed certificate for 127.0.0.1 and both ends of a connection.
func makeCertificate(t testing.TB) ingest.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "nats"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile := writePEM(t, "CERTIFICATE", cert)
	return ingest.TLS{CAFile: certFile, CertFile: certFile, KeyFile: writePEM(t, "PRIVATE KEY", private)}
}

func writePEM(t testing.TB, kind string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
