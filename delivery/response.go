package delivery

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
)

// text returns a response's body in the form in which it is stored: as it is if it is text, otherwise as base64.
// Postgres cannot store NUL in text.
func text(body []byte) string {
	if len(body) > core.ResponseBytesMax {
		body = wholeRunes(body[:core.ResponseBytesMax])
	}
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return base64.StdEncoding.EncodeToString(body)
	}
	return string(body)
}

// wholeRunes drops a character that was cut in the middle.
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
