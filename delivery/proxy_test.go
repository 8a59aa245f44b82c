package delivery

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// insideZone returns names on a network that only the proxy can reach.
func insideZone() zone {
	return zone{
		"hooks.example.":  {addresses("10.1.2.3")},
		"hooks6.example.": {addresses("fd00::1:2")},
		"here.example.":   {addresses("127.0.0.1")},
		"mixed.example.":  {addresses("127.9.9.9", "10.1.2.3")},
	}
}

// proxied returns a configuration with a proxy, in which that network is allowed.
func proxied(t *testing.T, a *authority, c ProxyConfig) Config {
	t.Helper()
	config := testConfig()
	config.AllowSubnets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/16")}
	_, config.resolver = newNameServer(t, insideZone(), 10*time.Second)
	if a != nil {
		config.Roots, c.Roots = a.roots, a.roots
	}
	config.Proxy = mustProxy(t, c)
	return config
}

func sendBy(t *testing.T, config Config, url string) outcome {
	t.Helper()
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	return s.send(t.Context(), testDelivery(url))
}

func TestEndpointsAreReachedByTheProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	plain := httptest.NewServer(whole(func(_ http.ResponseWriter, r *http.Request) {
		if r.Host != "hooks.example:8080" && r.Host != "hooks6.example:8080" && r.Host != "mixed.example:8080" || r.URL.IsAbs() {
			t.Errorf("the receiver got %s %s", r.Host, r.RequestURI)
		}
	}))
	t.Cleanup(plain.Close)
	secure := a.serveTLS(t, func(http.ResponseWriter, *http.Request) {}, nil)
	atProxy := a.issue(t, "localhost", time.Now().Add(time.Hour))
	http1 := func(p *testProxy) string { return "http://" + p.serveHTTP(t).address }
	https := func(p *testProxy) string {
		_, port, _ := net.SplitHostPort(p.serveHTTP(t, atProxy).address)
		return "https://localhost:" + port
	}
	socks := func(p *testProxy) string { return "socks5://" + p.serveSOCKS(t).address }
	socksh := func(p *testProxy) string { return "socks5h://" + p.serveSOCKS(t).address }
	for name, c := range map[string]struct {
		serve    func(*testProxy) string
		user     string
		url      string
		resolves bool
		want     string // the address that the proxy is asked for
	}{
		"http":                        {http1, "", "http://hooks.example:8080", false, "10.1.2.3:8080"},
		"http, IPv6":                  {http1, "", "http://hooks6.example:8080", false, "[fd00::1:2]:8080"},
		"http, one good address":      {http1, "", "http://mixed.example:8080", false, "10.1.2.3:8080"},
		"http, with a password":       {http1, "me:" + password, "http://hooks.example:8080", false, "10.1.2.3:8080"},
		"http, the name":              {http1, "", "http://hooks.example:8080", true, "hooks.example:8080"},
		"http, for https":             {http1, "", "https://hooks.example", false, "10.1.2.3:443"},
		"http, for https by name":     {http1, "", "https://hooks.example", true, "hooks.example:443"},
		"https":                       {https, "", "http://hooks.example:8080", false, "10.1.2.3:8080"},
		"https, for https":            {https, "me:" + password, "https://hooks.example", false, "10.1.2.3:443"},
		"socks5":                      {socks, "", "http://hooks.example:8080", false, "10.1.2.3:8080"},
		"socks5, IPv6":                {socks, "", "http://hooks6.example:8080", false, "[fd00::1:2]:8080"},
		"socks5, with a password":     {socks, "me:" + password, "http://hooks.example:8080", false, "10.1.2.3:8080"},
		"socks5, the name":            {socks, "", "http://hooks.example:8080", true, "hooks.example:8080"},
		"socks5, for https":           {socks, "", "https://hooks.example", false, "10.1.2.3:443"},
		"socks5h":                     {socksh, "", "http://hooks.example:8080", false, "hooks.example:8080"},
		"socks5h, for https":          {socksh, "me:" + password, "https://hooks.example", false, "hooks.example:443"},
		"socks5h, an address as well": {socksh, "", "http://hooks.example:8080", false, "hooks.example:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &testProxy{to: plain.Listener.Addr().String(), user: c.user}
			if strings.HasPrefix(c.url, "https:") {
				p.to = secure.Listener.Addr().String()
			}
			url := c.serve(p)
			if c.user != "" {
				url = strings.Replace(url, "://", "://"+c.user+"@", 1)
			}
			attempt := sendBy(t, proxied(t, a, ProxyConfig{URL: url, Resolves: c.resolves}), c.url)
			if attempt.Status != core.StatusSuccess || !slices.Equal(p.targets(), []string{c.want}) {
				t.Errorf("%q; the proxy was asked for %q, want %q", attempt.Response, p.targets(), c.want)
			}
		})
	}
}

func TestTheHostsNameIsVerifiedBehindAProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	receiver := a.serveTLS(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }, func(s *httptest.Server) {
		s.TLS.Certificates[0] = a.issue(t, "other.example", time.Now().Add(time.Hour))
	})
	for _, scheme := range []string{"http", "socks5", "socks5h"} {
		p := &testProxy{to: receiver.Listener.Addr().String()}
		if scheme == "http" {
			p.serveHTTP(t)
		} else {
			p.serveSOCKS(t)
		}
		attempt := sendBy(t, proxied(t, a, ProxyConfig{URL: scheme + "://" + p.address}), "https://hooks.example")
		if attempt.Response != "error making request: TLS: the certificate is for another name than hooks.example" {
			t.Errorf("%s: %q", scheme, attempt.Response)
		}
	}
}

func TestWhatTheProxyDoesWrong(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	hanging := serveConns(t, untilClosed)
	https := func(name string, by *authority) string {
		p := (&testProxy{}).serveHTTP(t, by.issue(t, name, time.Now().Add(time.Hour)))
		_, port, _ := net.SplitHostPort(p.address)
		return "https://localhost:" + port
	}
	for name, c := range map[string]struct{ url, want string }{
		"not there":           {"http://" + closedAddress, noProxy},
		"no such name":        {"http://proxy.invalid:3128", noProxy},
		"wants a password":    {"http://" + (&testProxy{user: "a:b"}).serveHTTP(t).address, noProxy},
		"wants another":       {"http://me:" + password + "@" + (&testProxy{user: "a:b"}).serveHTTP(t).address, noProxy},
		"502":                 {"http://" + (&testProxy{refuse: 502}).serveHTTP(t).address, "error making request: the proxy refused to connect: 502 Bad Gateway"},
		"garbage":             {"http://" + serveRaw(t, says("220 mail.example ESMTP\r\n\r\n")), noProxy},
		"an endless header":   {"http://" + serveRaw(t, says("HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")), noProxy},
		"speaks first":        {"http://" + serveRaw(t, says("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")), "error making request: the connection by the proxy speaks before it is asked"},
		"closes":              {"http://" + serveRaw(t, untilBody), "error making request: the proxy closed the connection"},
		"hangs":               {"http://" + hanging, "request timed out: no connection by the proxy within 300ms"},
		"https, another name": {https("other.example", a), noProxy},
		"https, unknown":      {https("localhost", newAuthority(t)), noProxy},
		"https, hangs":        {"https://" + hanging, noProxy},
		"https, but plain":    {"https://" + serveConns(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), noProxy},

		"SOCKS, not there":        {"socks5://" + closedAddress, noProxy},
		"SOCKS, wants a password": {"socks5://" + (&testProxy{user: "a:b"}).serveSOCKS(t).address, noProxy},
		"SOCKS, wants another":    {"socks5://me:" + password + "@" + (&testProxy{user: "a:b"}).serveSOCKS(t).address, noProxy},
		"SOCKS, not allowed":      {"socks5://" + (&testProxy{refuse: 2}).serveSOCKS(t).address, "error making request: the proxy refused to connect: connection not allowed by ruleset"},
		"SOCKS, unreachable":      {"socks5://" + (&testProxy{refuse: 4}).serveSOCKS(t).address, "error making request: the proxy refused to connect: host unreachable"},
		"SOCKS, unknown reply":    {"socks5://" + (&testProxy{refuse: 99}).serveSOCKS(t).address, "error making request: the proxy refused to connect: unknown code: 99"},
		"SOCKS, garbage":          {"socks5://" + serveConns(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), "error making request: the proxy refused to connect: unexpected protocol version 72"},
		"SOCKS, closes":           {"socks5://" + serveConns(t, untilBody), "error making request: the proxy closed the connection"},
		"SOCKS, hangs":            {"socks5://" + hanging, "request timed out: no connection by the proxy within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := proxied(t, a, ProxyConfig{URL: c.url})
			if strings.Contains(name, "hangs") {
				config.RequestTimeout = 300 * time.Millisecond
			}
			attempt := sendBy(t, config, "http://hooks.example:8080")
			got := attempt.Response
			if attempt.trouble != nil {
				got = attempt.trouble.cause // not the endpoint's fault
			}
			class := map[bool]string{strings.HasPrefix(c.want, inRequest): classProxy, strings.HasPrefix(c.want, tooLate): classTimeout}[true]
			if got != c.want || attempt.Status != core.StatusFail || attempt.class != class {
				t.Errorf("%q of class %q, want %q of class %q", got, attempt.class, c.want, class)
			}
			for _, secret := range []string{password, "127.0.0.1", "localhost", "10.9.8.7", "Whatever"} {
				if strings.Contains(attempt.Response, secret) {
					t.Errorf("%q holds %q", attempt.Response, secret)
				}
			}
		})
	}
}

func TestExceptionsAreReachedDirectly(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 10)
	receiver := httptest.NewServer(whole(func(_ http.ResponseWriter, r *http.Request) { requests <- r.Host }))
	t.Cleanup(receiver.Close)
	w := newWitness(t)
	for _, resolves := range []bool{false, true} {
		config := proxied(t, nil, ProxyConfig{URL: "http://" + w.address(), NoProxy: "here.example, .inside.example,10.1.0.0/16", Resolves: resolves})
		config.AllowSubnets = testConfig().AllowSubnets
		if attempt := sendBy(t, config, "http://here.example:"+port(t, receiver)); attempt.Status != core.StatusSuccess || w.connections(t) != 0 {
			t.Errorf("an exception: %+v", attempt)
		}
		// Hosts that are reached directly are checked even if the proxy would resolve names.
		config.AllowSubnets = nil
		if attempt := sendBy(t, config, "http://here.example:"+port(t, receiver)); !strings.HasPrefix(attempt.Response, notAllowed) || w.connections(t) != 0 {
			t.Errorf("an exception that is special: %+v", attempt)
		}
		config.AllowSubnets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		if sendBy(t, config, "http://hooks.example:8080"); w.connections(t) != 1 {
			t.Error("a name that is no exception was not sent by the proxy")
		}
	}
	for address, want := range map[string]bool{
		"here.example:80": false, "a.inside.example:443": false, "10.1.2.3:80": false, "10.2.0.1:80": true, "there.example:80": true,
		"localhost:80": false, "127.0.0.1:80": false, "[::1]:80": false, "not.here.example.com:80": true,
	} {
		p := mustProxy(t, ProxyConfig{URL: "http://proxy:3128", NoProxy: "here.example, .inside.example,10.1.0.0/16"})
		if got := p.takes(address); got != want {
			t.Errorf("%s: by the proxy %v, want %v", address, got, want)
		}
	}
}

//nolint:paralleltest // It sets variables of the process.
func TestVariablesForOtherProgramsCountForNothing(t *testing.T) {
	w := newWitness(t)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+w.address())
	}
	config := testConfig()
	config.AllowSubnets = append(config.AllowSubnets, netip.MustParsePrefix("192.0.2.0/24"))
	config.RequestTimeout = 100 * time.Millisecond
	sendBy(t, config, "http://192.0.2.1:9") // an unused address, because these variables never apply to loopback
	if n := w.connections(t); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestAProxysURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "proxy:3128", "ftp://me:" + password + "@proxy", "http://", "http://me:" + password + "@:3128", "http://proxy:3128/path",
		"http://me:" + password + "@proxy:port", "socks4://proxy", "http://me:" + password + "\x7f@proxy",
	} {
		if _, err := NewProxy(ProxyConfig{URL: url}); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", url, err)
		}
	}
	for url, want := range map[string]string{
		"http://proxy": "proxy:80", "https://proxy/": "proxy:443", "socks5://[::1]": "[::1]:1080", "socks5h://proxy:9050": "proxy:9050",
	} {
		if p, err := NewProxy(ProxyConfig{URL: url}); err != nil || p.address != want {
			t.Errorf("%q: %v, want %s", url, err, want)
		}
	}
}

func TestTheProxysPasswordIsInNoLog(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	q := newQueue(testDelivery("http://hooks.example:8080"))
	config := proxied(t, nil, ProxyConfig{URL: "http://me:" + password + "@" + (&testProxy{user: "a:b"}).serveHTTP(t).address})
	w := New(config, q, time.Now, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	d := q.due[0]
	d.LeasedUntil = time.Now().Add(config.Lease)
	w.attempt(t.Context(), &queued{Delivery: d}, func() {})
	if len(q.postponed) != 1 || len(q.results) != 0 || strings.Contains(text.String(), password) || !strings.Contains(text.String(), noProxy) {
		t.Errorf("%d postponed, %d recorded, and the log %s", len(q.postponed), len(q.results), text.String())
	}
}
