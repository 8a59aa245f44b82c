package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// listen serves the fixture's API on a socket, for requests that no HTTP client would send.
func (f *fixture) listen(t *testing.T) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f, MaxHeaderBytes: 8 << 10, DisableGeneralOptionsHandler: true, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(Listen(l)) }() // returns after Close
	t.Cleanup(func() { _ = s.Close(); <-served })
	return l.Addr().String()
}

// converse sends bytes and reads the answer to a request with the given method.
func converse(t *testing.T, address, method, request string) (*http.Response, string) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, request) }() // the server may answer before it has read everything
	answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.100q: %v", request, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%.100q: %v", request, err)
	}
	return answer, string(body)
}

func TestRefusalsAreJSONThatAnyPageCanRead(t *testing.T) {
	t.Parallel()
	address := newFixture(t).listen(t)
	const host = "Host: x\r\n"
	tests := []struct {
		name, method, request string
		status                int
		want                  string
	}{
		{"bad percent escape", "GET", "GET /api/v1/app/%zz HTTP/1.1\r\n" + host + "\r\n", 400, "percent escapes"},
		{"no Host", "GET", "GET /api/v1/app HTTP/1.1\r\n\r\n", 400, "no Host header"},
		{"two Hosts", "GET", "GET /api/v1/app HTTP/1.1\r\n" + host + host + "\r\n", 400, "header lines"},
		{"bad Host", "GET", "GET /api/v1/app HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host header"},
		{"large header", "GET", "GET /api/v1/app HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431, "too large"},
		{"long target", "GET", "GET /" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\n" + host + "\r\n", 431, "too large"},
		{"no HTTP", "GET", "HELLO\r\n\r\n", 400, "not a valid HTTP request"},
		{"TLS", "GET", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "not a valid HTTP request"},
		{"bad method", "GET", "G@T / HTTP/1.1\r\n" + host + "\r\n", 400, "request line"},
		{"HTTP/2", "GET", "GET / HTTP/2.0\r\n" + host + "\r\n", 505, "1.0 and 1.1"},
		{"HTTP/2 preface", "GET", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, "no such path"},
		{"no version", "GET", "GET /api/v1/app\r\n\r\n", 400, "request line"},
		{"header without colon", "GET", "GET / HTTP/1.1\r\n" + host + "nonsense\r\n\r\n", 400, "header lines"},
		{"bad header name", "GET", "GET / HTTP/1.1\r\n" + host + "a b: c\r\n\r\n", 400, "header"},
		{"bad header value", "GET", "GET / HTTP/1.1\r\n" + host + "a: \x01\r\n\r\n", 400, "header"},
		{"transfer encoding", "POST", "POST /api/v1/app HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked"},
		{"two transfer encodings", "POST", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501, "chunked"},
		{"two lengths", "POST", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "header lines"},
		{"bad length", "POST", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400, "header lines"},
		{"expectation", "POST", "POST /api/v1/app HTTP/1.1\r\n" + host + "Expect: miracles\r\nContent-Length: 2\r\n\r\n{}", 417, "100-continue"},
		{"preflight of HTTP/1.0", "GET", "OPTIONS / HTTP/1.0\r\nConnection: close\r\n\r\n", 204, ""},
		{"options of all", "OPTIONS", "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 204, ""},
		{"star", "GET", "GET * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 404, "no such path"},
		{"connect", "GET", "CONNECT example.com:443 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 404, "no such path"},
		{"absolute", "GET", "GET http://x/api/v1/app HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 401, "authentication_failed"},
		{"absolute to elsewhere", "GET", "GET http://elsewhere/api/v1/app HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 401, "authentication_failed"},
		{"absolute, no path", "GET", "GET http://x HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 404, "no such path"},
		{"HTTP/1.0", "GET", "GET /api/v1/app HTTP/1.0\r\n\r\n", 401, "authentication_failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := converse(t, address, test.method, test.request)
			if answer.StatusCode != test.status || !strings.Contains(body, test.want) {
				t.Errorf("answer = %s %s, want %d that holds %q", answer.Status, body, test.status, test.want)
			}
			wantReadable(t, answer, body)
		})
	}
}

// wantReadable checks the properties of all answers: a page of any origin can read them, and errors are JSON with a
// code and a text.
func wantReadable(t *testing.T, answer *http.Response, body string) {
	t.Helper()
	if answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: headers = %v", answer.Status, answer.Header)
	}
	if answer.StatusCode/100 == 2 {
		return
	}
	var e struct{ Code, Detail any }
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Detail == nil || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %q %s", answer.Status, answer.Header.Get("Content-Type"), body)
	}
}

func TestRefusalsFollowAnswersOnOneConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", f.listen(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /api/v1/app HTTP/1.1\r\nHost: x\r\n\r\nGET /%zz HTTP/1.1\r\nHost: x\r\n\r\n") // if this fails, the read below fails too
	r := bufio.NewReader(c)
	for _, status := range []int{401, 400} {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Errorf("answer = %s %s, %v; want %d", answer.Status, body, err, status)
		}
		wantReadable(t, answer, string(body))
	}
}

func TestBodiesAnnouncedTooLargeAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	address, token := f.listen(t), f.token(t, "org_a")
	for _, path := range []string{"/api/v1/app", "/api/v1/app/one/msg", "/api/v1/none"} {
		for _, key := range []string{"", "Idempotency-Key: a\r\n"} {
			// ReadResponse fails the test on a 100: it reads the next answer, and there is none.
			answer, body := converse(t, address, "POST", "POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n"+key+
				"Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n")
			if answer.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "2097152 bytes") {
				t.Errorf("%s: %s %s", path, answer.Status, body)
			}
			wantReadable(t, answer, body)
		}
	}
	answer, _ := converse(t, address, "POST", "POST /api/v1/app HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+
		"\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n")
	if answer.StatusCode != http.StatusContinue {
		t.Errorf("a small body is answered %s, want 100", answer.Status)
	}
}

func TestOperationsRefuseEncodedBodies(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if op.RequestBody == nil || rows[op.OperationID] == nil {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			r := rows[op.OperationID][0]
			for _, encoding := range []string{"gzip", "br", "x-gzip", "identity, gzip", "zstd", "utf-8", strings.Repeat("x", 5000)} {
				f := newFixture(t)
				w := f.send(op.Method, "/api/v1"+f.named(r.path), "\x1f\x8b\x08", "Authorization: Bearer "+f.token(t, bearer(op)), "Content-Encoding: "+encoding)
				wantStatus(t, w, 415, `"code":"unsupported_content_encoding"`, "is not supported; send the body as plain JSON")
				wantContract(t, op, w)
				if w.Header().Get("Accept-Encoding") != "identity" || w.Body.Len() > 500 {
					t.Errorf("headers = %v, body %s", w.Header(), w.Body)
				}
			}
			f := newFixture(t)
			for _, encoding := range []string{"identity", "Identity", ""} {
				w := f.send(op.Method, "/api/v1"+f.named(r.path), f.named(r.body), "Authorization: Bearer "+f.token(t, bearer(op)), "Content-Encoding: "+encoding)
				if w.Code == 415 {
					t.Errorf("%q is refused: %s", encoding, w.Body)
				}
			}
		})
	}
}

func TestPathsThatLeadNowhereSaySo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, want := range map[string]string{
		"//api/v1/app": "two slashes in a row", "/api/v1//app": "two slashes in a row", "/api/v1/./app": "segment . or ..",
		"/api/v1/app/../app": "segment . or ..", "/api//v1/app//": "two slashes in a row",
		"/api/v1/none": "There is no such path; see /docs", "/api/v1": "There is no such path; see /docs", "/api/v1/%00": "There is no such path; see /docs",
		"/none%FF": "There is no such path; see /docs", "/api/v1/app/a%00b": "Entity not found", "/api/v1/app/a%FF": "Entity not found",
		"/api/v1/app/none": "no application none", "/api/v1/app/%2e%2e": "no application ..", "/api/v1/app/a%2Fb": "no application ",
	} {
		wantStatus(t, f.ask(t, http.MethodGet, path, ""), 404, `"code":"not_found"`, want)
	}
	for _, method := range []string{"TRACE", "BREW", http.MethodHead} {
		w := f.ask(t, method, "/api/v1/app/one/msg/order-1/endpoint/hook/resend", "")
		if wantStatus(t, w, 405); w.Header().Get("Allow") != "OPTIONS, POST" {
			t.Errorf("%s: Allow = %q", method, w.Header().Get("Allow"))
		}
	}
}
