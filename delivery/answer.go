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

// answer is the part of a response that is kept.
type answer struct {
	status     int
	retryAfter string
	body       []byte // up to core.ResponseBytesMax + 1 bytes
}

// headerBytesMax limits the header of an answer, including interim answers.
const headerBytesMax = 64 << 10

var (
	errNotHTTP       = &failure{classResponse, inRequest + "the answer is not HTTP"}
	errHeaderTooLong = &failure{classResponse, inRequest + "the answer's header is longer than 64 KiB"}
)

// header is the header of an HTTP/1 answer, or the part of it that was received. Receivers vary in quality: if a 200
// is followed by a malformed line, the receiver has still accepted the message, and resending it eight times would be
// worse than ignoring the line. So once the status line was read, its status counts and anything malformed after it
// is ignored.
type header struct {
	status     int
	http11     bool
	whole      bool // it was read to its end, within the limit
	lengths    []string
	coding     string // Transfer-Encoding
	connection string
	retryAfter string
}

// readHeader reads headers up to and including that of the final answer. 101 counts as final because we never ask to
// switch protocols. Once it has a final status it returns no error, even if the rest of the header is cut off.
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

// lineReader reads lines up to a total of left bytes.
type lineReader struct {
	r    *bufio.Reader
	left int
}

// next returns the next line without its line ending. The line is valid until the next call.
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

// header reads one header. If it returns an error, the header holds what was read before the error.
func (l *lineReader) header() (header, error) {
	line, err := l.next()
	for err == nil && line == "" { // some servers send an extra line ending after a body
		line, err = l.next()
	}
	if err != nil {
		return header{}, err
	}
	h, ok := parseStatusLine(line)
	if !ok {
		return header{}, errNotHTTP
	}
	var last *string // the value that a folded line continues
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

// parseStatusLine parses a line such as "HTTP/1.1 200 OK". The reason phrase may be missing.
func parseStatusLine(line string) (header, bool) {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	status, err := strconv.ParseUint(code, 10, 16)
	if !strings.HasPrefix(version, "HTTP/") || len(code) != 3 || err != nil || status < 100 {
		return header{}, false
	}
	return header{status: int(status), http11: version == "HTTP/1.1"}, true
}

// set stores the value of a line if its field is one that header keeps, and returns a pointer to the stored value.
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

// join appends a value to a list field that is sent in several lines.
func join(list, value string) string {
	if list == "" {
		return value
	}
	return list + "," + value
}

// has reports whether a list contains an item.
func has(list, item string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), item) {
			return true
		}
	}
	return false
}

// length returns the body's length from Content-Length, or -1 if there is no valid one. Several values must agree.
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

// keeps reports whether the receiver will keep the connection open.
func (h *header) keeps() bool {
	return !has(h.connection, "close") && (h.http11 || has(h.connection, "keep-alive"))
}

// readBody reads the part of a body that is kept, and discards some more. whole reports whether the body was read to
// its end, so that the next answer can be read from the connection.
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
	kept, _ = readSome(r) // until the receiver closes the connection
	return kept, false
}

// drainBytesMax is how many bytes of a body are read beyond those that are kept, so that the connection can be
// reused. For longer bodies a new connection is cheaper.
const drainBytesMax = 256 << 10

// readSome reads the part of a body that is kept, and discards up to drainBytesMax more. At the end of the body the
// error is io.EOF.
func readSome(r io.Reader) ([]byte, error) {
	kept, err := io.ReadAll(io.LimitReader(r, core.ResponseBytesMax+1))
	if err == nil {
		_, err = io.CopyN(io.Discard, r, drainBytesMax)
	}
	return kept, err
}

// readTrailer discards the trailer after the last chunk, and reports whether it was complete.
func readTrailer(r *bufio.Reader) bool {
	for lines := (lineReader{r, headerBytesMax}); ; {
		if line, err := lines.next(); err != nil || line == "" {
			return err == nil
		}
	}
}
