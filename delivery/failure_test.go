package delivery

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// password is the password in each URL. No text may show it.
const password = "opensesame"

// failing is one way to fail: a host and the text that its attempts end with.
type failing struct {
	host    string // with a port
	https   bool
	timeout time.Duration // if 0, plenty
	patient time.Duration // timeout of the name server; if 0, plenty
	want    string
	class   string
}

func TestFailuresSayWhere(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	plain := httptest.NewServer(whole(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	secure := func(prepare func(*httptest.Server)) string {
		return "hooks.example:" + port(t, a.serveTLS(t, func(http.ResponseWriter, *http.Request) {}, prepare))
	}
	certified := func(by *authority, name string, until time.Time) string {
		return secure(func(s *httptest.Server) { s.TLS.Certificates[0] = by.issue(t, name, until) })
	}
	inAnHour := time.Now().Add(time.Hour)
	hanging := serveConns(t, untilClosed)
	for name, c := range map[string]failing{
		"no such host":                 {host: "nobody.example:80", want: "error resolving name: no such host: nobody.example", class: className},
		"no such host, with a dot":     {host: "nobody.example.:80", want: "error resolving name: no such host: nobody.example.", class: className},
		"a name without addresses":     {host: "empty.example:80", want: "error resolving name: no such host: empty.example", class: className},
		"a name server that fails":     {host: "failed.example:80", want: "error resolving name: the name server failed: failed.example", class: className},
		"a name server that is silent": {host: "silent.example:80", patient: 20 * time.Millisecond, want: "error resolving name: the name server did not answer: silent.example", class: className},
		"a name server, too late":      {host: "silent.example:80", timeout: 100 * time.Millisecond, patient: 400 * time.Millisecond, want: "request timed out: the name was not resolved within 100ms", class: classTimeout},
		"a name that is none":          {host: strings.Repeat("x", 64) + ".example:80", want: "error resolving name: no such host: " + strings.Repeat("x", 64) + ".example", class: className},
		"refused":                      {host: closedAddress, want: "error making request: connection refused", class: classRefused},
		"refused by all addresses":     {host: "both.example:1", want: "error making request: connection refused", class: classRefused},

		"a certificate that expired":     {host: certified(a, "hooks.example", time.Now().Add(-time.Minute)), https: true, want: "error making request: TLS: the certificate has expired, or is not valid yet", class: classCertificate},
		"an unknown authority":           {host: certified(newAuthority(t), "hooks.example", inAnHour), https: true, want: "error making request: TLS: the certificate is of an unknown authority", class: classCertificate},
		"another name":                   {host: certified(a, "other.example", inAnHour), https: true, want: "error making request: TLS: the certificate is for another name than hooks.example", class: classCertificate},
		"plain HTTP where https is":      {host: strings.TrimPrefix(plain.URL, "http://"), https: true, want: "error making request: TLS: the server does not speak it on this port", class: classTLS},
		"garbage where https is":         {host: serveConns(t, func(c net.Conn) { fmt.Fprint(c, "220 mail.example ESMTP\r\n"); untilClosed(c) }), https: true, want: "error making request: TLS: the server does not speak it on this port", class: classTLS},
		"a handshake that is refused":    {host: secure(func(s *httptest.Server) { s.TLS.GetConfigForClient = noHandshake }), https: true, want: "error making request: TLS: the server refused the connection: internal error", class: classTLS},
		"a client certificate is wanted": {host: secure(func(s *httptest.Server) { s.TLS.ClientAuth = tls.RequireAnyClientCert }), https: true, want: "error making request: TLS: the server refused the connection: certificate required", class: classTLS},
		"no TLS handshake, closed":       {host: serveConns(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), https: true, want: "error making request: TLS: the handshake failed", class: classTLS},
		"no TLS handshake, in time":      {host: hanging, https: true, timeout: 100 * time.Millisecond, want: "request timed out: no TLS handshake within 100ms", class: classTimeout},

		"closed before an answer":     {host: serveRaw(t, untilBody), want: "error making request: the connection was closed before an answer", class: classClosed},
		"garbage":                     {host: serveRaw(t, says("220 mail.example ESMTP\r\n\r\n")), want: "error making request: the answer is not HTTP", class: classResponse},
		"hangs in the status line":    {host: serveRaw(t, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 2"); untilClosed(c) }), timeout: 100 * time.Millisecond, want: "request timed out: no whole answer within 100ms", class: classTimeout},
		"interim answers without end": {host: serveRaw(t, interimForever), want: "error making request: the answer's header is longer than 64 KiB", class: classResponse},
		"hangs":                       {host: hanging, timeout: 100 * time.Millisecond, want: "request timed out: no answer within 100ms", class: classTimeout},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); c.check(t, a) })
	}
}

func (c failing) check(t *testing.T, a *authority) {
	t.Helper()
	config, scheme := testConfig(), "http"
	_, config.resolver = newNameServer(t, zone{
		"hooks.example.": {addresses("127.0.0.1")}, "both.example.": {addresses("127.0.0.1", "127.0.0.2")}, "empty.example.": {nil},
	}, cmp.Or(c.patient, 10*time.Second))
	config.Roots = a.roots
	config.RequestTimeout = cmp.Or(c.timeout, config.RequestTimeout)
	if c.https {
		scheme = "https"
	}
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	attempt := s.send(t.Context(), testDelivery(scheme+"://user:"+password+"@"+c.host+"/path"))
	if attempt.Response != c.want || attempt.Status != core.StatusFail || attempt.ResponseStatusCode != 0 || attempt.class != c.class {
		t.Errorf("%q, want %q of class %s; %+v", attempt.Response, c.want, c.class, attempt)
	}
	for _, secret := range []string{password, "127.0.0", "/path"} {
		if strings.Contains(attempt.Response, secret) {
			t.Errorf("%q holds %q", attempt.Response, secret)
		}
	}
}

func noHandshake(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("not today") }

// closedAddress is an address that nothing listens on. A port that was free a moment ago would not be safe.
const closedAddress = "127.0.0.1:1"

// untilBody reads a body that may not have arrived with the header. Unread data would reset the connection.
func untilBody(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	untilClosed(conn)
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		untilBody(conn)
	}
}

func interimForever(conn net.Conn) {
	for {
		if _, err := io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: <"+strings.Repeat("x", 1000)+">\r\n\r\n"); err != nil {
			return
		}
	}
}

// These failures cannot be produced with this machine's network.
func TestConnectFailuresOfTheKernel(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]failure{
		syscall.ECONNREFUSED:  {classRefused, "error making request: connection refused"},
		syscall.ETIMEDOUT:     {classTimeout, "error making request: connecting timed out"},
		syscall.EHOSTUNREACH:  {classUnreachable, "error making request: host unreachable"},
		syscall.ENETUNREACH:   {classUnreachable, "error making request: network unreachable"},
		syscall.EADDRNOTAVAIL: {classUnreachable, "error making request: network unreachable"},
		syscall.EPERM:         {classConnect, "error making request: no connection"},
	} {
		err := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv6loopback}, Err: os.NewSyscallError("connect", cause)}
		if got, ok := errors.AsType[*failure](newEgress(testConfig(), time.Now).connectFailure(err, "[::1]:80")); !ok || *got != want {
			t.Errorf("%v: %v, want %v", cause, got, want)
		}
	}
}

func TestAHeaderThatCannotBeSentSaysSo(t *testing.T) {
	t.Parallel()
	attempt := receive(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") },
		func(d *core.Delivery, _ *Config) { d.Headers = core.Headers{"X-Bad": "a\r\nb"} })
	if attempt.Response != "error making request: the endpoint's URL or one of its headers cannot be sent" || attempt.class != classRequest {
		t.Errorf("%q", attempt.Response)
	}
}
