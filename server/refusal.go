package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Listen returns a listener for [http.Server] whose connections turn the server's own error answers into JSON that a
// web page can read. These are the answers to requests that the server rejects before any handler is called: those
// that are not HTTP, have no Host, or have too large a header. The server writes them as text and has no setting for
// that.
func Listen(l net.Listener) net.Listener { return refusing{l} }

type refusing struct{ net.Listener }

func (l refusing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &refusingConn{tcp}, err
	}
	return c, err
}

// refusingConn keeps the methods that the server looks for in a TCP connection, CloseWrite in particular: it lets a
// client that is still sending read the answer.
type refusingConn struct{ *net.TCPConn }

func (c *refusingConn) Write(text []byte) (int, error) {
	answer := jsonRefusal(text)
	if answer == nil {
		return c.TCPConn.Write(text)
	}
	if _, err := c.TCPConn.Write(answer); err != nil {
		return 0, err
	}
	return len(text), nil
}

// refusals maps the status and text of the server's own answer to the error to send instead.
var refusals = map[string]HTTPErrorOut{
	"400 Bad Request": {Code: "bad_request", Detail: "This is not a valid HTTP request; check the request line, percent escapes in " +
		"the path, and the header lines."},
	"400 Bad Request: missing required Host header": {Code: "bad_request", Detail: "The request has no Host header."},
	"400 Bad Request: malformed Host header":        {Code: "bad_request", Detail: "The Host header is not a host name or address."},
	"400 Bad Request: invalid header name":          {Code: "bad_request", Detail: "The name of a header holds invalid characters."},
	"400 Bad Request: invalid header value":         {Code: "bad_request", Detail: "The value of a header holds invalid characters."},
	"417 Expectation Failed":                        {Code: "expectation_failed", Detail: "The only supported Expect header is 100-continue."},
	"431 Request Header Fields Too Large":           {Code: "header_too_large", Detail: "The request line and headers are too large; shorten the URL or send fewer headers."},
	"501 Not Implemented":                           {Code: "unsupported_transfer_encoding", Detail: "The only supported Transfer-Encoding is chunked."},
	"505 HTTP Version Not Supported: unsupported protocol version": {
		Code: "unsupported_version", Detail: "The only supported versions of HTTP are 1.0 and 1.1."},
}

// plainHeaders is what the server writes after the status line of such an answer. Our own answers never contain it.
const plainHeaders = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// jsonRefusal returns the answer to send instead of one that the server writes itself, or nil if text is not such an
// answer. The server writes each of these in a single call.
func jsonRefusal(text []byte) []byte {
	if !bytes.HasPrefix(text, []byte("HTTP/1.")) {
		return nil
	}
	line, rest, _ := bytes.Cut(text, []byte("\r\n"))
	version, said, _ := strings.Cut(string(line[:min(len(line), 200)]), " ")
	if !bytes.HasPrefix(rest, []byte(plainHeaders)) && said != "417 Expectation Failed" {
		return nil
	}
	status, _, _ := strings.Cut(said, ":")
	refusal, known := refusals[said]
	if !known {
		refusal = HTTPErrorOut{Code: "bad_request", Detail: "Invalid request: " + said}
	}
	body, err := json.Marshal(refusal)
	if err != nil {
		panic(err) // the body contains only strings
	}
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "%s %s\r\n", version, status)
	_ = http.Header{ // writing to a buffer cannot fail
		"Access-Control-Allow-Origin": {"*"},
		"Connection":                  {"close"},
		"Content-Length":              {strconv.Itoa(len(body))},
		"Content-Type":                {"application/json"},
		"X-Request-Id":                {requestID(nil)},
	}.Write(&answer)
	answer.WriteString("\r\n")
	answer.Write(body)
	return answer.Bytes()
}
