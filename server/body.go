package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
)

// bodyBytesFirst is the most that a client's word for the length of its body makes us allocate.
const bodyBytesFirst = 64 << 10

// decodeBody reads a request's JSON body into v, a pointer to one of the generated types. Whatever
// Content-Type says, the body must be one JSON object, in UTF-8, and nothing after it.
func decodeBody(r *http.Request, v any) error {
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), bodyBytesFirst)) + bytes.MinRead)
	if _, err := body.ReadFrom(r.Body); err != nil {
		return unreadable(err)
	}
	text := body.Bytes()
	callOf(r.Context()).body = text
	if !utf8.Valid(text) {
		return jsonError("The body must be valid UTF-8.")
	}
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return jsonError("The body must be a JSON object.")
	}
	return decodeError(ijson.Unmarshal(text, v))
}

// checkEncoding refuses bodies that are compressed: a small one can hold gigabytes, and no SDK compresses.
func checkEncoding(h http.Header) error {
	for encoding := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
			return &core.Error{Kind: core.KindUnsupported, Code: "unsupported_content_encoding", Message: fmt.Sprintf(
				"The body has the Content-Encoding %.40q, and only identity is accepted: send it as plain JSON.", encoding)}
		}
	}
	return nil
}

func unreadable(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit, err)
	}
	return &core.Error{
		Kind: core.KindBadRequest, Code: "generic_error", Message: "Failed to read the request body", Err: err,
	}
}

func tooLarge(limit int64, err error) error {
	return &core.Error{
		Kind: core.KindTooLarge, Code: "payload_too_large",
		Message: fmt.Sprintf("Request payload is too large: it may hold %d bytes.", limit), Err: err,
	}
}

// decodeError says in the terms of the API what is wrong with a JSON text.
func decodeError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*ijson.Error](err); ok {
		return jsonError(capital(e.Error(), len(e.Path) == 0), e.Path...)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return jsonError("The body is not JSON: " + ijson.Reason(e))
	}
	e := jsonError("The body cannot be read.")
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

// typeJSONError is how existing servers mark what their decoder refuses.
const typeJSONError = "value_error.jsondecode"

// jsonError is about JSON that cannot be read; loc is the way to it inside the body.
func jsonError(message string, loc ...string) *core.Error {
	e := core.Invalid(message, append([]string{"body"}, loc...)...)
	e.Fields[0].Type = typeJSONError
	return e
}

// missing is about a field that the body must have. It is a decoding error to existing clients.
func missing(loc ...string) *core.Error {
	return jsonError("missing field `"+loc[len(loc)-1]+"`", loc...)
}

// texts is a map of strings, and of nothing else: encoding/json would read a null as "".
type texts map[string]string

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (t *texts) UnmarshalJSON(text []byte) error {
	var values map[string]*string
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	if values == nil {
		*t = nil
		return nil
	}
	*t = make(texts, len(values))
	for name, value := range values {
		if value == nil {
			return &json.UnmarshalTypeError{Value: "null", Type: reflect.TypeFor[string](), Field: name}
		}
		(*t)[name] = *value
	}
	return nil
}
