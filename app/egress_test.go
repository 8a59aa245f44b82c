package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// caFile returns a file with an authority's certificate, and that certificate.
func caFile(t *testing.T) (string, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), certificate
}

func writeFile(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOwnAuthoritiesComeBesideTheSystems(t *testing.T) {
	t.Parallel()
	path, certificate := caFile(t)
	roots, err := (&Config{CAFile: path}).roots()
	if err != nil {
		t.Fatal(err)
	}
	want, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if roots.Equal(want) {
		t.Error("the file adds nothing")
	}
	want.AddCert(certificate)
	if !roots.Equal(want) {
		t.Error("they are not the system's and the file's")
	}
	if roots, err := (&Config{}).roots(); roots != nil || err != nil {
		t.Errorf("without a file: %v, %v", roots, err)
	}
}

func TestBadEgressSettingsAreRefusedByNameAndWithoutPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, variable string }{
		{"--proxy-url=proxy:3128", "POSTRIDER_PROXY_URL"},
		{"--proxy-url=ftp://me:opensesame@proxy", "POSTRIDER_PROXY_URL"},
		{"--proxy-url=http://me:opensesame@proxy:port", "POSTRIDER_PROXY_URL"},
		{"--proxy-url=http://me:opensesame@proxy/path", "POSTRIDER_PROXY_URL"},
		{"--proxy-resolves=perhaps", "--proxy-resolves"},
		{"--endpoint-https-only=perhaps", "--endpoint-https-only"},
		{"--ca-file=" + t.TempDir() + "/none", "POSTRIDER_CA_FILE"},
		{"--ca-file=" + t.TempDir(), "POSTRIDER_CA_FILE"},
		{"--ca-file=" + writeFile(t, nil), "POSTRIDER_CA_FILE"},
		{"--ca-file=" + writeFile(t, []byte("no certificate")), "POSTRIDER_CA_FILE"},
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), []string{c.flag, "version"}, &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), c.variable) || strings.Contains(errs.String(), "opensesame") {
			t.Errorf("%s: exit %d, printed %q, want %s", c.flag, code, errs.String(), c.variable)
		}
	}
}

func TestAProxyIsMadeOfItsSettings(t *testing.T) {
	t.Parallel()
	path, _ := caFile(t)
	for _, c := range []Config{
		{ProxyURL: "http://me:secret@proxy:3128"}, {ProxyURL: "https://proxy", CAFile: path}, {ProxyURL: "socks5h://proxy", NoProxy: "10.0.0.0/8"},
	} {
		if p, err := c.egress(); p == nil || err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if p, err := (&Config{NoProxy: "x"}).egress(); p != nil || err != nil {
		t.Errorf("without a URL: %v, %v", p, err)
	}
}
