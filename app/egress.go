package app

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/postrider/postrider/delivery"
)

// egress is the proxy that endpoints are reached by; nil: they are reached directly.
func (c *Config) egress() (*delivery.Proxy, error) {
	if c.ProxyURL == "" {
		return nil, nil
	}
	roots, _ := c.roots() // what is wrong with them is told under their own name
	return delivery.NewProxy(delivery.ProxyConfig{URL: c.ProxyURL, NoProxy: c.NoProxy, Resolves: c.ProxyResolves, Roots: roots})
}

// roots are those of the system and those of POSTRIDER_CA_FILE; nil: those of the system alone.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		// They are read once in a process's life. By the first handshake there may be no descriptor left for that.
		_, _ = x509.SystemCertPool()
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("system certificates: %w", err)
	}
	return roots, addCertificates(roots, text)
}

// addCertificates is stricter than the pool's own reading, which passes over what it does not
// understand: half a bundle would only be noticed at the endpoints whose authority is in the other half.
func addCertificates(pool *x509.CertPool, text []byte) error {
	n := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(text) {
		if n, text = n+1, rest; block.Type != "CERTIFICATE" {
			return fmt.Errorf("block %d is a %s, not a certificate", n, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d: %w", n, err)
		}
		pool.AddCert(certificate)
	}
	if n == 0 {
		return errors.New("the file contains no certificate")
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return fmt.Errorf("the block after certificate %d is incomplete", n)
	}
	return nil
}
