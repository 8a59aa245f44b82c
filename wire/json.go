// Package wire decodes what clients write, for requests, brokers' messages and rows of the outbox alike. It knows
// the contract (server/openapi.yaml), but neither HTTP nor any broker.
package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// Unmarshal decodes a text that must be one JSON object, in UTF-8, with nothing after it.
func Unmarshal(text []byte, v any) error {
	if !utf8.Valid(text) {
		return Unreadable("The body must be valid UTF-8.")
	}
	if !ijson.IsObject(text) {
		return Unreadable("The body must be a JSON object.")
	}
	return ReadError(ijson.Unmarshal(text, v))
}

// ReadError describes what is wrong with a JSON text in the terms of the API.
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

// capital turns a message into a sentence, unless it begins with the name of a field.
func capital(message string, sentence bool) string {
	if !sentence {
		return message
	}
	return strings.ToUpper(message[:1]) + message[1:]
}

// TypeUnreadable is how the existing servers mark input that their decoder rejects.
const TypeUnreadable = "value_error.jsondecode"

// Unreadable returns the error for JSON that cannot be read. loc is the path to it inside the body.
func Unreadable(message string, loc ...string) *core.Error {
	e := core.Invalid(message, append([]string{"body"}, loc...)...)
	e.Fields[0].Type = TypeUnreadable
	return e
}

// Missing returns the error for a missing required field of the body. To existing clients it is a decoding error.
func Missing(loc ...string) *core.Error {
	return Unreadable("missing field `"+loc[len(loc)-1]+"`", loc...)
}

// Twice returns the error for a body that gives a field under both of its names.
func Twice(name, other string) error {
	return core.Invalid(name+" and "+other+" are the same field; give only one of them", "body", name)
}
