package ijson

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Value decodes a JSON text into maps, slices and [json.Number]s, as encoding/json does. A member that occurs twice,
// and text with an unpaired surrogate, is replaced by an [*Error], so that callers interested in other values need
// not care.
func Value(text []byte) (any, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), lenient)
	value, err := readValue(d)
	if err == nil {
		if _, err = d.ReadToken(); err == io.EOF { //nolint:errorlint // it comes as it is
			return value, nil
		}
	}
	return nil, syntaxError(text, err)
}

func readValue(d *jsontext.Decoder) (any, error) {
	kind := d.PeekKind()
	if kind == '{' {
		return readObject(d)
	}
	if kind == '[' {
		return readArray(d)
	}
	value, err := d.ReadValue()
	switch {
	case err != nil:
		return nil, err
	case value.Kind() == '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return &Error{Message: halfSurrogate}, nil //nolint:nilerr // it is the value
		}
		return string(text), nil
	case value.Kind() == '0':
		return json.Number(value), nil
	}
	return map[jsontext.Kind]any{'t': true, 'f': false, 'n': nil}[value.Kind()], nil
}

func readObject(d *jsontext.Decoder) (any, error) {
	object := map[string]any{}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	for d.PeekKind() == '"' {
		text, err := readName(d)
		if err != nil {
			return nil, err
		}
		name := string(text) // before the decoder overwrites it
		value, err := readValue(d)
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			value = &Error{Message: givenTwice}
		}
		object[name] = value
	}
	_, err := d.ReadToken()
	return object, err
}

func readArray(d *jsontext.Decoder) (any, error) {
	array := []any{}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	for kind := d.PeekKind(); kind != ']' && kind != 0; kind = d.PeekKind() {
		value, err := readValue(d)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}
