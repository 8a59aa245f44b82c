package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"time"
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

// drainBytesMax is how much more of a body than is kept is read, so that the connection can be used
// again: beyond that, a new connection is cheaper.
const drainBytesMax = 256 << 10

// read reads as much of a response's body as is kept. The status is the answer, whatever becomes of
// the rest: that has a short time of its own, so that who answers at once and then drips does not
// hold a place until the deadline.
func (s *sender) read(response *http.Response, giveUp context.CancelFunc) []byte {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return nil // its body is the connection itself, which hears no deadline
	}
	late := time.AfterFunc(s.bodyTimeout, giveUp)
	defer late.Stop()
	kept, _ := io.ReadAll(io.LimitReader(response.Body, core.ResponseBytesMax+1))
	_, _ = io.CopyN(io.Discard, response.Body, drainBytesMax)
	return kept
}
