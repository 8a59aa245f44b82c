package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// syntaxText says what is wrong with JSON that cannot be read, and where. encoding/json tells its kinds of
// syntax errors apart by text alone.
func syntaxText(e *json.SyntaxError) string {
	text := e.Error()
	if strings.HasSuffix(text, "exceeded max depth") {
		return fmt.Sprintf("it is nested too deep at byte %d", e.Offset)
	}
	quoted, found := strings.CutPrefix(text, "invalid character '")
	if !found {
		return fmt.Sprintf("it is cut off after byte %d", e.Offset)
	}
	// A character beyond ASCII is named by its first byte alone, which says nothing.
	if char, _, _ := strings.Cut(quoted, "' "); len(char) == 1 && char[0] < 0x80 {
		return fmt.Sprintf("unexpected '%s' at byte %d", char, e.Offset)
	}
	return fmt.Sprintf("unexpected character at byte %d", e.Offset)
}

// numberTooLarge reports whether err is about a number that no float64 can hold, and which.
func numberTooLarge(err error) (number string, _ bool) {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok || e.Type == nil || e.Type.Kind() != reflect.Float64 {
		return "", false
	}
	return strings.CutPrefix(e.Value, "number ")
}
