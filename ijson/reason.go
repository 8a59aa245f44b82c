package ijson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Reason says in terms of JSON, not of Go, why a text could not be decoded, by this package or by encoding/json. It
// is meant for the sender of the text.
func Reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return syntaxReason(e)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		reason := unexpected(e.Type, e.Value)
		if e.Field != "" {
			reason = e.Field + ": " + reason
		}
		return reason
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // from a Decoder
		return "it is cut off"
	}
	return err.Error()
}

// syntaxReason parses the error's text, because encoding/json distinguishes syntax errors only by it.
func syntaxReason(e *json.SyntaxError) string {
	text := e.Error()
	if strings.HasSuffix(text, "exceeded max depth") {
		return fmt.Sprintf("it is nested too deep at byte %d", e.Offset)
	}
	quoted, found := strings.CutPrefix(text, "invalid character '")
	if !found {
		return fmt.Sprintf("it is cut off after byte %d", e.Offset)
	}
	// encoding/json names only the first byte of a non-ASCII character, which says nothing.
	if char, _, _ := strings.Cut(quoted, "' "); len(char) == 1 && char[0] < 0x80 {
		return fmt.Sprintf("unexpected '%s' at byte %d", char, e.Offset)
	}
	return fmt.Sprintf("unexpected character at byte %d", e.Offset)
}
