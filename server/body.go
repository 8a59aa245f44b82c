package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

// decodeBody decodes a request's JSON body into v, a pointer to one of the generated types. It ignores Content-Type.
func decodeBody(r *http.Request, v any) error {
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	var body bytes.Buffer
	body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead) // bodies has reserved room for it
	if _, err := body.ReadFrom(r.Body); err != nil {
		return unreadable(err)
	}
	text := body.Bytes()
	callOf(r.Context()).body = text
	return wire.Unmarshal(text, v)
}

// checkEncoding rejects compressed bodies: a small one can expand to gigabytes, and no SDK compresses.
func checkEncoding(h http.Header) error {
	for encoding := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
			return &core.Error{Kind: core.KindUnsupported, Code: "unsupported_content_encoding", Message: fmt.Sprintf(
				"The Content-Encoding %.40q is not supported; send the body as plain JSON.", encoding)}
		}
	}
	return nil
}

func unreadable(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit, err)
	}
	return &core.Error{
		Kind: core.KindBadRequest, Code: "generic_error", Message: "The request body ended early or took too long to arrive; send it again.", Err: err,
	}
}

func tooLarge(limit int64, err error) error {
	return &core.Error{
		Kind: core.KindTooLarge, Code: "payload_too_large",
		Message: fmt.Sprintf("The request body is too large; it may hold at most %d bytes.", limit), Err: err,
	}
}

// texts is a map that accepts only strings as values. encoding/json would read a null as "".
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
