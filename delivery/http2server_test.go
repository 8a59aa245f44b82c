package delivery

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Peer is the receiver's side of an HTTP/2 connection. It can do things that no server of the library does.
type http2Peer struct {
	*http2.Framer
	conn     net.Conn
	requests *atomic.Int32 // total of all connections
}

// serveHTTP2 starts a receiver at hooks.example that speaks HTTP/2. If a client offers only HTTP/1.1, the receiver
// speaks that and answers 200. handle is called with each request's header; the connection is closed once it returns
// false.
func (a *authority) serveHTTP2(t *testing.T, handle func(p *http2Peer, stream uint32) bool) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	config := &tls.Config{
		Certificates: []tls.Certificate{a.issue(t, "hooks.example", time.Now().Add(time.Hour))},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	address := serveConns(t, func(raw net.Conn) {
		conn := tls.Server(raw, config)
		if conn.HandshakeContext(t.Context()) != nil {
			return
		}
		if conn.ConnectionState().NegotiatedProtocol != "h2" {
			requests.Add(1)
			says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nby 1.1")(conn)
			return
		}
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(conn, preface); err != nil {
			return
		}
		p := &http2Peer{http2.NewFramer(conn, conn), conn, requests}
		_ = p.WriteSettings()
		p.serve(handle)
	})
	_, port, _ := net.SplitHostPort(address)
	return "https://hooks.example:" + port, requests
}

func (p *http2Peer) serve(handle func(*http2Peer, uint32) bool) {
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			return
		}
		switch f := frame.(type) {
		case *http2.HeadersFrame:
			p.requests.Add(1)
			if !handle(p, f.StreamID) {
				return
			}
		case *http2.PingFrame:
			_ = p.WritePing(true, f.Data)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = p.WriteSettingsAck()
			}
		}
	}
}

// answer ends a stream with a status followed by other fields.
func (p *http2Peer) answer(stream uint32, status string, fields ...hpack.HeaderField) {
	block := encoded(append([]hpack.HeaderField{{Name: ":status", Value: status}}, fields...)...)
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: true})
}

func encoded(fields ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		f.Sensitive = true // otherwise it would need the connection's encoder
		_ = encoder.WriteField(f)
	}
	return block.Bytes()
}

// sendTo returns a sender that can reach hooks.example.
func (a *authority) sendTo(t *testing.T, change func(*Config)) *sender {
	t.Helper()
	config := testConfig()
	config.Roots = a.roots
	_, config.resolver = newNameServer(t, hooksZone(), 10*time.Second)
	if change != nil {
		change(&config)
	}
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	return s
}
