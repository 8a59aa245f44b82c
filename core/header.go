package core

import (
	"maps"
	"slices"
	"strings"
)

// Header names an endpoint may not set: they belong to the connection, to the payload or to
// ourselves, or clouds give them a meaning of their own. The list is the existing servers', so that
// an endpoint they took is taken here; the webhook-* headers are not in it, and ours win.
var (
	headersReserved = []string{
		"user-agent", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
		"transfer-encoding", "upgrade", "age", "cache-control", "clear-site-data", "expires", "pragma",
		"warning", "content-length", "content-type", "content-encoding", "content-language",
		"content-location",
	}
	headersReservedPrefixes = []string{
		"x-amz-", "x-amzn-", "x-google", "x-goog-", "x-gfe", "x-azure-", "x-fd-", "x-svix-", "svix-",
	}
)

const (
	headersMost         = 100
	headersTooMany      = "An endpoint can have at most 100 headers"
	headerValueBytesMax = 4096
)

func (c *checks) headers(headers Headers) {
	if len(headers) > headersMost {
		c.body(false, headersTooMany, "headers")
		return
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded := strings.ToLower(name)
		c.body(isToken(name), "Header names must be HTTP tokens", "headers", name)
		c.body(!isReserved(folded), "Header cannot be set", "headers", name)
		c.body(!seen[folded], "The same header is given twice: upper and lower case make no difference", "headers", name)
		c.body(len(headers[name]) <= headerValueBytesMax && isFieldValue(headers[name]),
			"Header values must be at most 4096 bytes, without control characters", "headers", name)
		seen[folded] = true
	}
}

func isReserved(name string) bool {
	return slices.Contains(headersReserved, name) ||
		slices.ContainsFunc(headersReservedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// isToken is RFC 9110's token.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// isFieldValue is what may stand in a header's value; a line break would start another header.
func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
