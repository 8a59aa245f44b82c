package core

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Header names that an endpoint may not set: they belong to the payload or to Postrider, or clouds give them a
// meaning of their own. The list is that of the existing servers without the headers in headersOfConnection. The
// webhook-* headers are not in it; Postrider's values override those of the endpoint. Host is only in this list,
// because endpoints of older releases may have it and are called with it.
var (
	headersReserved = []string{
		"user-agent", "age", "cache-control", "clear-site-data", "expires", "pragma", "warning", "content-type",
		"content-encoding", "content-language", "content-location", "host",
	}
	headersReservedPrefixes = []string{
		"x-amz-", "x-amzn-", "x-google", "x-goog-", "x-gfe", "x-azure-", "x-fd-", "x-svix-", "svix-",
	}
)

// headersOfConnection concern the connection and not the request, or define where a request ends. HTTP/2 has none of
// them. With a wrong value a receiver hangs up, waits for data that never arrives, or finds a second request in the
// payload. In addition, all names that begin with proxy- are meant for a proxy on the way.
var headersOfConnection = []string{
	"connection", "content-length", "expect", "http2-settings", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
}

func isOfConnection(name string) bool {
	return slices.Contains(headersOfConnection, name) || strings.HasPrefix(name, "proxy-")
}

const (
	headersMost         = 100
	headersTooMany      = "An endpoint may have at most 100 headers"
	headerValueBytesMax = 4096
	headersBytesMax     = 65_536 // of all names and values in total
	headersTooLarge     = "The headers of an endpoint must not exceed 65536 bytes in total"
)

func (c *checks) headers(headers Headers) {
	if len(headers) > headersMost {
		c.body(false, headersTooMany, "headers")
		return
	}
	c.body(headers.bytes() <= headersBytesMax, headersTooLarge, "headers")
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded := strings.ToLower(name)
		c.body(isToken(name), "A header name may hold only letters, digits and !#$%&'*+-.^_`|~", "headers", name)
		c.body(!isReserved(folded) && !isOfConnection(folded), "This header cannot be set; Postrider or HTTP sets it", "headers", name)
		c.body(!seen[folded], "The header is given twice; header names are case-insensitive", "headers", name)
		c.body(len(headers[name]) <= headerValueBytesMax && isFieldValue(headers[name]),
			"A header value may hold at most 4096 bytes and no control characters", "headers", name)
		seen[folded] = true
	}
}

// bytes returns the length of all names and values.
func (h Headers) bytes() (n int) {
	for name, value := range h {
		n += len(name) + len(value)
	}
	return n
}

func isReserved(name string) bool {
	return slices.Contains(headersReserved, name) ||
		slices.ContainsFunc(headersReservedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Sendable yields the headers to send, in order of their names. Endpoints of older releases may have headers that
// would be rejected now; those of the connection are left out. White space around a value is removed too: HTTP/1
// ignores it, and HTTP/2 receivers reject the request.
func (h Headers) Sendable() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if !isOfConnection(strings.ToLower(name)) && !yield(name, strings.Trim(h[name], " \t")) {
				return
			}
		}
	}
}

// isToken reports whether s is a token as defined by RFC 9110.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// isFieldValue reports whether s is a valid header value. A line break would start another header.
func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
