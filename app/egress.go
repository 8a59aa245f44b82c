package app

import (
	"crypto/x509"
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
		return nil, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's own: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in it")
	}
	return roots, nil
}
