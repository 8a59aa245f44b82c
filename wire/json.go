// Package wire reads what clients write: what requests, brokers' messages and rows of the outbox have in common.
// It knows the contract (server/openapi.yaml), and neither HTTP nor any broker.
package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// Unmarshal reads a text that must be one JSON object, in UTF-8, and nothing after it.
func Unmarshal(text []byte, v any) error {
	if !utf8.Valid(text) {
		return Unreadable("The body must be valid UTF-8.")
	}
	if !ijson.IsObject(text) {
		return Unreadable("The body must be a JSON object.")
	}
	return ReadError(ijson.Unmarshal(text, v))
}

// ReadError says in the terms of the API what is wrong with a JSON text.
func ReadError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*ijson.Error](err); ok {
		return Unreadable(capital(e.Error(), len(e.Path) == 0), e.Path...)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Unreadable("The body is not JSON: " + ijson.Reason(e))
	}
	e := Unreadable("The body cannot be decoded.")
	e.Err = err
	return e
}

// capital is a message as a sentence, unless it begins with the name of a field.
func capital(message string, sentence bool) string {
	if !sentence {
		return message
	}
	return strings.ToUpper(message[:1]) + message[1:]
}

// TypeUnreadable is how existing servers mark what their decoder refuses.
const TypeUnreadable = "value_error.jsondecode"

// Unreadable is about JSON that cannot be read; loc is the way to it inside the body.
func Unreadable(message string, loc ...string) *core.Error {
	e := core.Invalid(message, append([]string{"body"}, loc...)...)
	e.Fields[0].Type = TypeUnreadable
	return e
}

// Missing is about a field that the body must have. It is a decoding error to existing clients.
func Missing(loc ...string) *core.Error {
	return Unreadable("missing field `"+loc[len(loc)-1]+"`", loc...)
}

// Twice refuses a body that gives a field under both its names.
func Twice(name, other string) error {
	return core.Invalid(name+" and "+other+" are the same field; give only one of them", "body", name)
}
