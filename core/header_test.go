package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestHeadersAreChecked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers Headers
		want    []string // the invalid headers
	}{
		"good":        {Headers{"X-A": "1", "authorization": "Basic x", "Cookie": "ä=\t;", "webhook-id": "x"}, nil},
		"the most":    {manyHeaders(100), nil},
		"too many":    {manyHeaders(101), []string{""}},
		"the longest": {Headers{"x-a": strings.Repeat("x", 4096)}, nil},
		"too long":    {Headers{"x-a": strings.Repeat("x", 4097)}, []string{"x-a"}},
		"no name":     {Headers{"": "1"}, []string{""}},
		"no token":    {Headers{"x a": "1", "x:a": "1", "x-ä": "1", "x\x00": ""}, []string{"x\x00", "x a", "x-ä", "x:a"}},
		"reserved":    {Headers{"TE": "1", "Content-Length": "1", "X-Amz-Date": "1", "SVIX-a": "1"}, []string{"Content-Length", "SVIX-a", "TE", "X-Amz-Date"}},
		"of the connection": {Headers{
			"Connection": "close", "expect": "100-continue", "Trailer": "x", "TRAILERS": "x", "te": "trailers", "Transfer-Encoding": "chunked",
			"Content-Length": "1", "Proxy-Authorization": "x", "proxy-connection": "close", "Proxy-Mine": "1", "HTTP2-Settings": "AAMAAABk",
			"Keep-Alive": "timeout=5", "Upgrade": "h2c", "Host": "hooks.example",
		}, []string{
			"Connection", "Content-Length", "HTTP2-Settings", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Mine", "TRAILERS",
			"Trailer", "Transfer-Encoding", "Upgrade", "expect", "proxy-connection", "te",
		}},
		"another header":  {Headers{"x-a": "1\nx-b: 2", "x-c": "1\r", "x-d": "\x00", "x-e": "\x7f"}, []string{"x-a", "x-c", "x-d", "x-e"}},
		"the same header": {Headers{"X-A": "1", "X-a": "1", "x-A": "2", "x-b": "3"}, []string{"X-a", "x-A"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c checks
			c.headers(test.headers)
			var got []string
			for _, f := range c.fields {
				got = append(got, strings.Join(f.Loc[2:], ""))
			}
			if slices.Sort(got); !slices.Equal(got, test.want) {
				t.Errorf("faults in %q, want %q", got, test.want)
			}
		})
	}
}

func manyHeaders(n int) Headers {
	h := Headers{}
	for i := range n {
		h[fmt.Sprint("X-", i)] = ""
	}
	return h
}

func TestHeadersArePatched(t *testing.T) {
	t.Parallel()
	stored := Headers{"X-A": "1", "x-b": "2", "X-B": "3"} // twice, as the existing servers allow
	for name, test := range map[string]struct {
		patch HeadersPatch
		want  Headers
	}{
		"nothing":                  {HeadersPatch{}, stored},
		"another":                  {HeadersPatch{Set: Headers{"x-c": "4"}}, Headers{"X-A": "1", "x-b": "2", "X-B": "3", "x-c": "4"}},
		"the same":                 {HeadersPatch{Set: Headers{"x-A": "4"}}, Headers{"x-A": "4", "x-b": "2", "X-B": "3"}},
		"all spellings":            {HeadersPatch{Set: Headers{"X-b": "4"}}, Headers{"X-A": "1", "X-b": "4"}},
		"deleted in all spellings": {HeadersPatch{Delete: []string{"X-b", "x-none"}}, Headers{"X-A": "1"}},
		"deleted and set":          {HeadersPatch{Set: Headers{"x-a": "4"}, Delete: []string{"X-A", "x-a", "x-b"}}, Headers{"x-a": "4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.patch.apply(stored); !maps.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestSensitiveHeadersAreNotShown(t *testing.T) {
	t.Parallel()
	shown, sensitive := Headers{
		"X-Api-Key": "1", "x-auth-TOKEN": "2", "WWW-Authenticate": "3", "AUTHORIZATION": "4", "proxy-authenticate": "5",
		"Proxy-Authorization": "6", "x-authorization": "7", "Cookie": "8",
	}.shown()
	if want := (Headers{"x-authorization": "7", "Cookie": "8"}); !maps.Equal(shown, want) {
		t.Errorf("shown are %v, want %v", shown, want)
	}
	want := []string{"AUTHORIZATION", "Proxy-Authorization", "WWW-Authenticate", "X-Api-Key", "proxy-authenticate", "x-auth-TOKEN"}
	if !slices.Equal(sensitive, want) {
		t.Errorf("sensitive are %v, want %v", sensitive, want)
	}
	if shown, sensitive := (Headers)(nil).shown(); shown == nil || sensitive == nil {
		t.Error("an empty map or list must not be nil: it would be answered as null")
	}
}

// Endpoints of older releases may have headers that are rejected now. These must neither make deliveries fail nor be
// sent.
func TestOnlySendableHeadersAreSent(t *testing.T) {
	t.Parallel()
	stored := Headers{
		"Connection": "close", "expect": "100-continue", "Trailer": "x", "TE": "trailers", "Transfer-Encoding": "chunked",
		"Content-Length": "1", "Proxy-Connection": "close", "http2-settings": "x", "Keep-Alive": "x", "Upgrade": "h2c",
		"Host": "hooks.example", "Cache-Control": "no-store", "X-Mine": " \t1 2 ", "x-mine": "3", "X-Name": "\u00e9",
	}
	var got []string
	for name, value := range stored.Sendable() {
		got = append(got, name+"="+value)
	}
	want := []string{"Cache-Control=no-store", "Host=hooks.example", "X-Mine=1 2", "X-Name=\u00e9", "x-mine=3"}
	if !slices.Equal(got, want) {
		t.Errorf("sent are %q, want %q", got, want)
	}
}
