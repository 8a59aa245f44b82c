package delivery

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxyConfig configures the proxy that endpoints are reached through.
type ProxyConfig struct {
	URL      string         // http, https, socks5 or socks5h, with credentials if needed
	NoProxy  string         // hosts to reach directly, in the syntax of NO_PROXY
	Resolves bool           // the proxy resolves names and blocks private addresses; implied by socks5h
	Roots    *x509.CertPool // authorities for an https proxy's certificate; if nil, the system's
}

// Proxy is the operator's proxy for requests to endpoints. Connections to the proxy itself are not checked by the
// guard; the addresses that it is asked to connect to are.
type Proxy struct {
	scheme   string
	address  string
	host     string
	user     *url.Userinfo
	resolves bool
	roots    *x509.CertPool
	route    func(*url.URL) (*url.URL, error)
}

var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// errProxyURL does not repeat the URL, which may hold a password.
var errProxyURL = errors.New("not a URL such as http://user:password@host:3128; the scheme is http, https, socks5 or socks5h")

// NewProxy validates the configuration. It opens no connection.
func NewProxy(c ProxyConfig) (*Proxy, error) {
	u, err := url.Parse(c.URL)
	if err != nil || proxyPorts[u.Scheme] == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errProxyURL
	}
	port := u.Port()
	if port == "" {
		port = proxyPorts[u.Scheme]
	}
	matcher := httpproxy.Config{HTTPSProxy: "http://" + u.Host, NoProxy: c.NoProxy}
	return &Proxy{
		scheme: u.Scheme, host: u.Hostname(), address: net.JoinHostPort(u.Hostname(), port), user: u.User,
		resolves: c.Resolves || u.Scheme == "socks5h", roots: c.Roots, route: matcher.ProxyFunc(),
	}, nil
}

// takes reports whether an endpoint's host and port are reached through the proxy.
func (p *Proxy) takes(address string) bool {
	if p == nil {
		return false
	}
	to, err := p.route(&url.URL{Scheme: "https", Host: address})
	return to != nil || err != nil
}

// dial connects to an address through the proxy.
func (p *Proxy) dial(ctx context.Context, address string) (net.Conn, error) {
	if strings.HasPrefix(p.scheme, "socks5") {
		return p.dialSOCKS(ctx, address)
	}
	conn, err := p.reach(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = p.tunnel(conn, address)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// reach connects to the proxy itself. A failure is a trouble, because it is not the endpoint's fault.
func (p *Proxy) reach(ctx context.Context) (net.Conn, error) {
	var conn net.Conn
	var err error
	if p.scheme == "https" {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: p.roots, ServerName: p.host}}
		conn, err = dialer.DialContext(ctx, "tcp", p.address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", p.address)
	}
	if t := troubleOf(err); t != nil {
		return nil, t
	}
	if err != nil {
		return nil, &trouble{cause: noProxy, err: err}
	}
	tripOf(ctx).reach(tunneling)
	return conn, nil
}

// proxyHeaderBytesMax is far larger than any header a proxy needs to send.
const proxyHeaderBytesMax = 16 << 10

// tunnel asks an HTTP proxy to connect to an address, and reads its answer. It uses CONNECT for http endpoints as
// well: to forward whole requests, the proxy would have to be given the name, and would resolve it itself.
func (p *Proxy) tunnel(conn net.Conn, address string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if p.user != nil {
		password, _ := p.user.Password()
		request.Header.Set("Proxy-Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(p.user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return &failure{classProxy, inRequest + "the proxy closed the connection"}
	}
	within := &io.LimitedReader{R: conn, N: proxyHeaderBytesMax}
	reader := bufio.NewReader(within)
	// There is no body to close: the bytes after the header of a 2xx are the tunnel, and any other connection is closed.
	response, err := http.ReadResponse(reader, request) //nolint:bodyclose // to close it is to read the tunnel to its end
	if err != nil && isNetwork(err) && within.N > 0 {
		return &failure{classProxy, inRequest + "the proxy closed the connection"}
	}
	if err != nil {
		return &trouble{cause: noProxy, err: errors.New("its answer is not HTTP")}
	}
	if response.StatusCode == http.StatusProxyAuthRequired {
		return &trouble{cause: noProxy, err: errors.New("it wants another user or password")}
	}
	if response.StatusCode/100 != 2 {
		return &failure{classProxy, fmt.Sprintf(inRequest+"the proxy refused to connect: %d %s",
			response.StatusCode, http.StatusText(response.StatusCode))}
	}
	if reader.Buffered() > 0 {
		// The bytes may come from the endpoint, and a customer must not be able to make this look like proxy trouble.
		return &failure{classProxy, inRequest + "the connection by the proxy speaks before it is asked"}
	}
	return nil
}
