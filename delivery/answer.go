package delivery

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"

	"github.com/postrider/postrider/core"
)

// answer is what is kept of a response.
type answer struct {
	status     int
	retryAfter string
	body       []byte // up to core.ResponseBytesMax and one byte more
}

// headerBytesMax bounds an answer's header, interim answers included.
const headerBytesMax = 64 << 10

var (
	errNotHTTP       = &failure{inRequest + "the answer is not HTTP"}
	errHeaderTooLong = &failure{inRequest + "the answer's header is longer than 64 KiB"}
)

// header is the header of an HTTP/1 answer, or as much of it as came. Receivers are written by anyone:
// one whose 200 has a malformed line below it has taken the message, and resending it eight times would
// be worse than overlooking the line. So once there is a status line, its status counts, and all that
// makes no sense after it is ignored.
type header struct {
	status     int
	http11     bool
	whole      bool // it was read to its end, within the bound
	lengths    []string
	coding     string // Transfer-Encoding
	connection string
	retryAfter string
}

// readHeader reads headers up to that of the final answer. 101 is final: nobody asked to switch. Once there is
// a final status there is no error: the header below it may be cut off.
func readHeader(r *bufio.Reader) (header, error) {
	for lines := (lineReader{r, headerBytesMax}); ; {
		h, err := lines.header()
		if h.status >= http.StatusOK || h.status == http.StatusSwitchingProtocols {
			return h, nil
		}
		if err != nil {
			return header{}, err
		}
	}
}

// lineReader reads lines while they fit into what is left of a bound.
type lineReader struct {
	r    *bufio.Reader
	left int
}

// next returns the next line without its end. The line is valid until the next call.
func (l *lineReader) next() (string, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if l.left -= len(part); l.left < 0 {
			return "", errHeaderTooLong
		}
		line = append(line, part...)
		if err == nil {
			return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// header reads one header. With an error it is what came before that.
func (l *lineReader) header() (header, error) {
	line, err := l.next()
	for err == nil && line == "" { // some servers end a body with one line end too many
		line, err = l.next()
	}
	if err != nil {
		return header{}, err
	}
	h, ok := parseStatusLine(line)
	if !ok {
		return header{}, errNotHTTP
	}
	var last *string // the value that a folded line goes on with
	for {
		line, err := l.next()
		if err != nil {
			return h, err
		}
		if line == "" {
			h.whole = true
			return h, nil
		}
		if line[0] != ' ' && line[0] != '\t' {
			last = h.set(line)
		} else if last != nil {
			*last += " " + strings.TrimSpace(line)
		}
	}
}

// parseStatusLine reads a line such as "HTTP/1.1 200 OK"; the reason may be missing.
func parseStatusLine(line string) (header, bool) {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	status, err := strconv.ParseUint(code, 10, 16)
	if !strings.HasPrefix(version, "HTTP/") || len(code) != 3 || err != nil || status < 100 {
		return header{}, false
	}
	return header{status: int(status), http11: version == "HTTP/1.1"}, true
}

// set keeps the value of a line if it is one of those that count, and returns where.
func (h *header) set(line string) *string {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "content-length":
		h.lengths = append(h.lengths, value)
		return &h.lengths[len(h.lengths)-1]
	case "transfer-encoding":
		h.coding = join(h.coding, value)
		return &h.coding
	case "connection":
		h.connection = join(h.connection, value)
		return &h.connection
	case "retry-after":
		h.retryAfter = value
		return &h.retryAfter
	}
	return nil
}

// join puts the values of a list that is given in several lines together.
func join(list, value string) string {
	if list == "" {
		return value
	}
	return list + "," + value
}

// has reports whether a list has an item.
func has(list, item string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), item) {
			return true
		}
	}
	return false
}

// length is the body's, by Content-Length; -1 if it has none that makes sense. Several must agree.
func (h *header) length() int64 {
	length := int64(-1)
	for _, list := range h.lengths {
		for value := range strings.SplitSeq(list, ",") {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 63)
			if err != nil || length >= 0 && int64(n) != length {
				return -1
			}
			length = int64(n)
		}
	}
	return length
}

// keeps reports whether the receiver keeps the connection open.
func (h *header) keeps() bool {
	return !has(h.connection, "close") && (h.http11 || has(h.connection, "keep-alive"))
}

// readBody reads as much of a body as is kept, and passes over some more. Whole: it was read to its end, so that
// the connection is where the next answer begins.
func (h *header) readBody(r *bufio.Reader) (kept []byte, whole bool) {
	switch length := h.length(); {
	case !h.whole:
		return nil, false
	case h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		return nil, true
	case h.status == http.StatusSwitchingProtocols:
		return nil, false
	case has(h.coding, "chunked"):
		kept, err := readSome(httputil.NewChunkedReader(r))
		return kept, errors.Is(err, io.EOF) && h.length() < 0 && readTrailer(r)
	case h.coding == "" && length >= 0:
		body := &io.LimitedReader{R: r, N: length}
		kept, _ := readSome(body)
		return kept, body.N == 0
	}
	kept, _ = readSome(r) // until the receiver closes
	return kept, false
}

// drainBytesMax is how much more of a body than is kept is read, so that the connection can be used
// again: beyond that, a new connection is cheaper.
const drainBytesMax = 256 << 10

// readSome reads what is kept of a body and passes over up to drainBytesMax. The error is io.EOF at the body's end.
func readSome(r io.Reader) ([]byte, error) {
	kept, err := io.ReadAll(io.LimitReader(r, core.ResponseBytesMax+1))
	if err == nil {
		_, err = io.CopyN(io.Discard, r, drainBytesMax)
	}
	return kept, err
}

// readTrailer passes over what follows the last chunk, and reports whether it has an end.
func readTrailer(r *bufio.Reader) bool {
	for lines := (lineReader{r, headerBytesMax}); ; {
		if line, err := lines.next(); err != nil || line == "" {
			return err == nil
		}
	}
}
