package delivery

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// testProxy is a proxy that records the addresses it is asked to connect to, and always connects to one receiver.
type testProxy struct {
	to      string // the receiver's address
	user    string // the user:password that it requires; none if empty
	refuse  int    // status or SOCKS reply with which it refuses; if 0, it does not
	mu      sync.Mutex
	asked   []string
	address string
}

func (p *testProxy) note(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, target)
}

func (p *testProxy) targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// serveHTTP starts p as an HTTP proxy, with TLS if a certificate is given.
func (p *testProxy) serveHTTP(t *testing.T, certificates ...tls.Certificate) *testProxy {
	t.Helper()
	p.address = serveConns(t, func(conn net.Conn) {
		if len(certificates) > 0 {
			conn = tls.Server(conn, &tls.Config{Certificates: certificates})
		}
		p.connectHTTP(conn)
	})
	return p
}

func (p *testProxy) connectHTTP(conn net.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil || request.Method != http.MethodConnect {
		return
	}
	p.note(request.Host)
	status := p.refuse
	if p.user != "" && request.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user)) {
		status = http.StatusProxyAuthRequired
	}
	if status != 0 {
		fmt.Fprintf(conn, "HTTP/1.1 %d Whatever 10.9.8.7\r\nContent-Length: 0\r\n\r\n", status)
		return
	}
	p.tunnel(conn, []byte("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"))
}

// tunnel connects to the receiver, writes hello byte by byte, and copies in both directions.
func (p *testProxy) tunnel(conn net.Conn, hello []byte) {
	receiver, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	for i := range hello {
		_, _ = conn.Write(hello[i : i+1])
	}
	var running sync.WaitGroup
	running.Go(func() { _, _ = io.Copy(receiver, conn); receiver.Close() })
	running.Go(func() { _, _ = io.Copy(conn, receiver); conn.Close() })
	running.Wait()
}

// serveSOCKS starts p as a SOCKS5 proxy.
func (p *testProxy) serveSOCKS(t *testing.T) *testProxy {
	t.Helper()
	p.address = serveConns(t, p.connectSOCKS)
	return p
}

const (
	socksVersion  = 5
	socksNoAuth   = 0
	socksPassword = 2
	socksNone     = 0xff
)

func (p *testProxy) connectSOCKS(conn net.Conn) {
	method := byte(socksNoAuth)
	if p.user != "" {
		method = socksPassword
	}
	methods := counted(conn, 1)
	if !slices.Contains(methods, method) {
		_, _ = conn.Write([]byte{socksVersion, socksNone})
		return
	}
	_, _ = conn.Write([]byte{socksVersion, method})
	if p.user != "" {
		user := counted(conn, 1)
		if string(user)+":"+string(counted(conn, 0)) != p.user {
			_, _ = conn.Write([]byte{1, 1})
			return
		}
		_, _ = conn.Write([]byte{1, 0})
	}
	target, ok := socksTarget(conn)
	if !ok {
		return
	}
	p.note(target)
	reply := []byte{socksVersion, byte(p.refuse), 0, 1, 0, 0, 0, 0, 0, 0}
	if p.refuse != 0 {
		_, _ = conn.Write(reply)
		return
	}
	p.tunnel(conn, reply)
}

// counted reads before bytes, a length byte, and then as many bytes as the length says.
func counted(conn net.Conn, before int) []byte {
	head := make([]byte, before+1)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil
	}
	body := make([]byte, head[before])
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil
	}
	return body
}

// socksTarget reads the address to connect to.
func socksTarget(conn net.Conn) (string, bool) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return "", false
	}
	var host string
	switch head[3] {
	case 1, 4:
		address := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		_, _ = io.ReadFull(conn, address)
		a, _ := netip.AddrFromSlice(address)
		host = a.String()
	case 3:
		host = string(counted(conn, 0))
	}
	port := make([]byte, 2)
	_, err := io.ReadFull(conn, port)
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), err == nil
}
