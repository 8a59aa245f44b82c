package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
)

// text is what is kept of a response's body: itself where it is text, else base64. Postgres stores no
// NUL in text.
func text(body []byte) string {
	if len(body) > core.ResponseBytesMax {
		body = wholeRunes(body[:core.ResponseBytesMax])
	}
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return base64.StdEncoding.EncodeToString(body)
	}
	return string(body)
}

// wholeRunes drops a character that the cut went through.
func wholeRunes(cut []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(cut); i++ {
		if last := cut[len(cut)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return cut[:len(cut)-i]
			}
			break
		}
	}
	return cut
}

// reason tells the endpoint's owner why there was no response, by the stage that failed.
func reason(err error) string {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err // the address stands beside it already, and may hold a password
	}
	if errors.Is(err, errBlocked) {
		return errBlocked.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "request timed out"
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return "error resolving name: " + name.Err + ": " + name.Name
	}
	return "error making request: " + err.Error()
}
