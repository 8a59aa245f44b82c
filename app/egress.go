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

// egress returns the proxy through which endpoints are reached; nil: they are reached directly.
func (c *Config) egress() (*delivery.Proxy, error) {
	if c.ProxyURL == "" {
		return nil, nil
	}
	roots, _ := c.roots() // errors in them are reported under their own setting
	return delivery.NewProxy(delivery.ProxyConfig{URL: c.ProxyURL, NoProxy: c.NoProxy, Resolves: c.ProxyResolves, Roots: roots})
}

// roots returns the system's certificate authorities and those of POSTRIDER_CA_FILE; nil: the system's alone.
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

// addCertificates is stricter than the pool's own parser, which skips invalid parts: a half-read bundle would be
// noticed only at the endpoints whose authority is in the other half.
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
