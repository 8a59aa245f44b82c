package delivery

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/postrider/postrider/core"
)

// The names say what is wrong with the answer. In each case the receiver has accepted the message.
func TestAnswerCountsByItsStatusLine(t *testing.T) {
	t.Parallel()
	const ok, end = "HTTP/1.1 200 OK\r\n", "Content-Length: 4\r\n\r\ndone"
	for name, c := range map[string]struct {
		answer string
		status int16
		body   string
	}{
		"control byte in a cookie":         {ok + "Set-Cookie: a=\x01\x7f\r\n" + end, 200, "done"},
		"NUL in a value":                   {ok + "X-A: \x00\r\n" + end, 200, "done"},
		"line without colon":               {ok + "nothing to see\r\n" + end, 200, "done"},
		"name that is not ASCII":           {ok + "Größe: 1\r\n" + end, 200, "done"},
		"name with a space":                {ok + "X A: 1\r\n" + end, 200, "done"},
		"no name":                          {ok + ": 1\r\n" + end, 200, "done"},
		"space before the colon":           {ok + "Content-Length : 4\r\n\r\ndone", 200, "done"},
		"folded line":                      {ok + "X-A: b\r\n\tContent-Length: 9\r\n" + end, 200, "done"},
		"folded first line":                {ok + " X-A: b\r\n" + end, 200, "done"},
		"folded length":                    {ok + "Content-Length:\r\n 4\r\n\r\ndone", 200, "done"},
		"line feeds alone":                 {"HTTP/1.1 200 OK\nContent-Length: 4\n\ndone", 200, "done"},
		"carriage return in a line":        {ok + "X-A: b\rX-B: c\r\n" + end, 200, "done"},
		"no reason":                        {"HTTP/1.1 200\r\n" + end, 200, "done"},
		"reason that is not ASCII":         {"HTTP/1.1 200 Größe\x01\r\n" + end, 200, "done"},
		"two spaces":                       {"HTTP/1.1  200 OK\r\n" + end, 200, "done"},
		"another version":                  {"HTTP/2 200\r\n" + end, 200, "done"},
		"status of its own":                {"HTTP/1.1 999 No\r\n" + end, 999, "done"},
		"empty line before":                {"\r\n\r\n" + ok + end, 200, "done"},
		"Location that is no URL":          {"HTTP/1.1 302 Found\r\nLocation: http://[::1/%zz\x7f\r\n" + end, 302, "done"},
		"lengths that differ":              {ok + "Content-Length: 4\r\nContent-Length: 5\r\n\r\ndone", 200, "done"},
		"lengths that agree":               {ok + "Content-Length: 4, 4\r\n" + end, 200, "done"},
		"length that is no number":         {ok + "Content-Length: +4\r\n\r\ndone", 200, "done"},
		"length that is negative":          {ok + "Content-Length: -1\r\n\r\ndone", 200, "done"},
		"length that is too large":         {ok + "Content-Length: 99999999999999999999\r\n\r\ndone", 200, "done"},
		"length that does not come":        {ok + "Content-Length: 9\r\n\r\ndone", 200, "done"},
		"coding that is unknown":           {ok + "Transfer-Encoding: magic\r\n" + end, 200, "done"},
		"length and chunks":                {ok + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n4\r\ndone\r\n0\r\n\r\n", 200, "done"},
		"chunks that are none":             {ok + "Transfer-Encoding: chunked\r\n\r\ndone", 200, ""},
		"chunks that end early":            {ok + "Transfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n5\r\n", 200, "done"},
		"trailer that is malformed":        {ok + "Transfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\x01\r\n\r\n", 200, "done"},
		"coding of the body that is a lie": {ok + "Content-Encoding: gzip\r\n" + end, 200, "done"},
		"header that ends early":           {ok + "X-A: b\r\n", 200, ""},
		"line that ends early":             {ok + "X-A", 200, ""},
		"malformed error":                  {"HTTP/1.1 500 No\r\nnothing\r\n" + end, 500, "done"},
		"malformed interim answer":         {"HTTP/1.1 103 Early Hints\r\nnothing\r\n\r\n" + ok + end, 200, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSender(testConfig(), time.Now)
			t.Cleanup(s.pool.closeKept)
			attempt := s.send(t.Context(), testDelivery("http://"+serveRaw(t, says(c.answer))))
			if attempt.ResponseStatusCode != c.status || attempt.Response != c.body || (attempt.Status == core.StatusSuccess) != (c.status == 200) {
				t.Errorf("%d %q, %+v", attempt.ResponseStatusCode, attempt.Response, attempt)
			}
		})
	}
}

func TestHTTP2AnswerCountsByItsStatus(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	field := func(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }
	for name, answer := range map[string]func(p *http2Peer, stream uint32){
		"control byte in a cookie": func(p *http2Peer, s uint32) { p.answer(s, "503", field("set-cookie", "a=\x01")) },
		"upper-case name":          func(p *http2Peer, s uint32) { p.answer(s, "503", field("X-A", "b")) },
		"name with a space":        func(p *http2Peer, s uint32) { p.answer(s, "503", field("x a", "b")) },
		"connection header":        func(p *http2Peer, s uint32) { p.answer(s, "503", field("connection", "close")) },
		"unknown pseudo-header":    func(p *http2Peer, s uint32) { p.answer(s, "503", field(":path", "/")) },
		"length that is a lie":     func(p *http2Peer, s uint32) { p.answer(s, "503", field("content-length", "5")) },
		"length that is no number": func(p *http2Peer, s uint32) { p.answer(s, "503", field("content-length", "x")) },
		"long header":              func(p *http2Peer, s uint32) { p.answer(s, "503", field("x-a", strings.Repeat("ü", 7000))) },
		"status after a field": func(p *http2Peer, s uint32) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: s, BlockFragment: encoded(field("x-a", "b"), field(":status", "503")), EndHeaders: true, EndStream: true,
			})
		},
		"padding, priority and continuations": func(p *http2Peer, s uint32) {
			block := encoded(field(":status", "503"), field("x-a", strings.Repeat("b", 100)))
			_ = p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: s, BlockFragment: block[:3], PadLength: 7, EndStream: true, Priority: http2.PriorityParam{Weight: 3},
			})
			_ = p.WriteContinuation(s, false, block[3:9])
			_ = p.WriteContinuation(s, true, block[9:])
		},
		"malformed interim answer": func(p *http2Peer, s uint32) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: s, BlockFragment: encoded(field(":status", "103"), field("LINK", "\x00")), EndHeaders: true,
			})
			p.answer(s, "503")
		},
		"malformed trailer": func(p *http2Peer, s uint32) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: encoded(field(":status", "503")), EndHeaders: true})
			_ = p.WriteData(s, false, []byte("busy"))
			_ = p.WriteHeaders(http2.HeadersFrameParam{
				StreamID: s, BlockFragment: encoded(field("X-A", "\x00")), EndHeaders: true, EndStream: true,
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool { answer(p, stream); return true })
			s := a.sendTo(t, nil)
			for range 2 { // the connection is reused
				attempt := s.send(t.Context(), testDelivery(url))
				if attempt.ResponseStatusCode != 503 || attempt.replays != 0 || attempt.Response != "" && attempt.Response != "busy" {
					t.Errorf("%+v", attempt)
				}
			}
			if n := requests.Load(); n != 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestHTTP2AnswerWithoutAStatusFails(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, status := range []string{"", "abc"} {
		url, _ := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool { p.answer(stream, status); return true })
		attempt := a.sendTo(t, nil).send(t.Context(), testDelivery(url))
		if attempt.ResponseStatusCode != 0 || attempt.Response != "error making request: the answer's header is malformed, or longer than 64 KiB" {
			t.Errorf("%+v", attempt)
		}
	}
}

func TestRetryAfterOfAMalformedAnswerCounts(t *testing.T) {
	t.Parallel()
	s := newSender(testConfig(), time.Now)
	t.Cleanup(s.pool.closeKept)
	receiver := serveRaw(t, says("HTTP/1.1 503 No\r\nno colon\r\nretry-after : 120\r\nContent-Length: 0\r\n\r\n"))
	if attempt := s.send(t.Context(), testDelivery("http://"+receiver)); attempt.retryAfter != 2*time.Minute {
		t.Errorf("%+v", attempt)
	}
	a := newAuthority(t)
	url, _ := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool {
		p.answer(stream, "503", hpack.HeaderField{Name: "X", Value: "\x00"}, hpack.HeaderField{Name: "retry-after", Value: "120"})
		return true
	})
	if attempt := a.sendTo(t, nil).send(t.Context(), testDelivery(url)); attempt.retryAfter != 2*time.Minute {
		t.Errorf("%+v", attempt)
	}
}

// A receiver may send unsolicited data, which is not the answer to the next request.
func TestUnsolicitedAnswersAreIgnored(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const more = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
	for name, extra := range map[string]string{"whole": more, "part": more[:3], "none, for comparison": ""} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(scheme+", "+name, func(t *testing.T) {
				t.Parallel()
				receiver := a.serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					answer := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
					_, _ = io.WriteString(conn, answer+extra) // in one TLS record
					for reader := bufio.NewReader(conn); ; {
						request, err := http.ReadRequest(reader)
						if err != nil {
							return
						}
						_, _ = io.Copy(io.Discard, request.Body)
						_, _ = io.WriteString(conn, answer)
						_, _ = io.WriteString(conn, extra) // in another TLS record
					}
				}, nil)
				url := "https://hooks.example:" + port(t, receiver)
				if scheme == "http" {
					url = "http://" + serveRaw(t, func(conn net.Conn) {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"+extra)
						untilClosed(conn)
					})
				}
				s := a.sendTo(t, nil)
				for range 3 {
					if attempt := s.send(t.Context(), testDelivery(url)); attempt.ResponseStatusCode != 200 {
						t.Errorf("%+v", attempt)
					}
					if scheme == "http" && extra == "" {
						return // that receiver answers only once
					}
				}
			})
		}
	}
}

// FuzzAnswer checks that answers accepted by net/http are read the same way, and that every answer is read within the
// limits.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n",
		"HTTP/1.0 404 No\r\n\r\nuntil the end", "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n", "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200\r\nA\r\n b\r\n\r\n", "\r\nHTTP/1.1 101 S\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reader := bufio.NewReader(bytes.NewReader(data))
		h, err := readHeader(reader)
		var body []byte
		if err == nil {
			body, _ = h.readBody(reader)
		}
		if len(body) > core.ResponseBytesMax+1 {
			t.Errorf("%d bytes were kept", len(body))
		}
		status, want, ok := readByLibrary(data)
		if !ok {
			return
		}
		if err != nil || h.status != status || !bytes.Equal(body, want) {
			t.Errorf("%d %q, %v; net/http has %d %q", h.status, body, err, status, want)
		}
	})
}

// readByLibrary reads an answer that is complete and within the limits.
func readByLibrary(data []byte) (status int, body []byte, ok bool) {
	if len(data) > core.ResponseBytesMax {
		return 0, nil, false
	}
	reader := bufio.NewReader(bytes.NewReader(data))
	for {
		response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
		if err != nil {
			return 0, nil, false
		}
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !response.ProtoAtLeast(1, 1) || response.StatusCode < 100 || response.StatusCode == http.StatusSwitchingProtocols {
			return 0, nil, false
		}
		if response.StatusCode >= 200 {
			return response.StatusCode, body, true
		}
	}
}

func TestHeaderLinesOfAnyLengthAreReadWithinTheBound(t *testing.T) {
	t.Parallel()
	for _, length := range []int{4095, 4096, 4097, 60 << 10} {
		text := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Long: %s\r\nRetry-After: 7\r\n\r\n", strings.Repeat("x", length))
		h, err := readHeader(bufio.NewReader(strings.NewReader(text)))
		if err != nil || !h.whole || h.retryAfter != "7" {
			t.Errorf("%d bytes: %+v, %v", length, h, err)
		}
	}
}
