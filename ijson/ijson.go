// Package ijson decodes JSON objects under the restrictions of RFC 7493 (I-JSON): names match exactly and occur
// once, and text has no unpaired surrogates. encoding/json ignores the case of names, takes the last of two members
// with the same name, and turns an unpaired surrogate into U+FFFD, so two readers of one text may disagree. Values
// that the caller keeps as a [json.RawMessage], such as a payload, are not restricted and stay as they are, byte for
// byte.
//
// It uses the decoder that Go 1.27 has as encoding/json/v2, from a module, and adds errors for the author of the
// text.
package ijson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lenient accepts everything that is grammatically JSON, as encoding/json does.
var lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// IsObject reports whether a text begins as an object.
func IsObject(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n")
	return len(start) > 0 && start[0] == '{'
}

// Valid reports whether a text is JSON, whether or not it is I-JSON. It agrees with [json.Valid], but skips long strings
// several times as fast.
func Valid(text []byte) bool { return jsontext.Value(text).IsValid(lenient) }

// Unmarshal decodes an object into the struct that v points to. Members without a field in the struct are skipped,
// whatever they contain. The restrictions do not apply to fields of type [json.RawMessage], which alias text, and
// []json.RawMessage. A null leaves the struct unchanged. It returns an [*Error] or a [*json.SyntaxError].
func Unmarshal(text []byte, v any) error {
	if string(text) == "null" {
		return nil
	}
	target := reflect.ValueOf(v).Elem()
	fields := fieldsOf(target.Type())
	var seen uint64
	return walk(text, func(name []byte, value json.RawMessage) error {
		f, known := fields[string(name)]
		if !known {
			return nil
		}
		if seen&(1<<f.index) != 0 {
			return &Error{Path: []string{string(name)}, Message: givenTwice}
		}
		seen |= 1 << f.index
		field := target.Field(f.index)
		if f.kind == raw {
			field.SetBytes(value)
			return nil
		}
		var options jsonv2.Options
		if f.kind == raws {
			options = lenient
		}
		if err := jsonv2.Unmarshal(value, field.Addr().Interface(), options); err != nil {
			return within(string(name), value, readError(err))
		}
		return nil
	})
}

// Members returns the members of an object by name. Each name must occur once. The values are not restricted.
func Members(text []byte) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	err := walk(text, func(text []byte, value json.RawMessage) error {
		name := string(text)
		if _, twice := members[name]; twice {
			return &Error{Path: []string{name}, Message: givenTwice}
		}
		members[name] = value
		return nil
	})
	return members, err
}

// Check checks a JSON value and everything in it.
func Check(text []byte) error {
	if err := jsonv2.Unmarshal(text, new(skipped)); err != nil {
		return within("", text, readError(err))
	}
	return nil
}

// skipped accepts any value and discards it.
type skipped struct{}

// UnmarshalJSONFrom implements [jsonv2.UnmarshalerFrom].
func (*skipped) UnmarshalJSONFrom(d *jsontext.Decoder) error { return d.SkipValue() }

// walk calls each for the members of an object, in order. Names are passed without their escapes, and alias text if
// they have none.
func walk(text []byte, each func(name []byte, value json.RawMessage) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), lenient)
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		return &Error{Message: "expected an object, not " + kinds[kind]}
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(text, err)
	}
	for d.PeekKind() == '"' {
		name, err := readName(d)
		if err != nil {
			return syntaxError(text, err)
		}
		value, err := d.ReadValue()
		if err != nil {
			return syntaxError(text, err)
		}
		end := d.InputOffset()
		start := end - int64(len(value))
		if err := each(name, text[start:end:end]); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(text, err)
	}
	if _, err := d.ReadToken(); err != io.EOF { //nolint:errorlint // it comes as it is
		return syntaxError(text, err)
	}
	return nil
}

func readName(d *jsontext.Decoder) ([]byte, error) {
	quoted, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	if name := quoted[1 : len(quoted)-1]; bytes.IndexByte(name, '\\') < 0 {
		return name, nil
	}
	name, _ := jsontext.AppendUnquote(nil, quoted) // with U+FFFD for an unpaired surrogate
	return name, nil
}

// syntaxError returns encoding/json's error for a text that is not JSON, because clients know it.
func syntaxError(text []byte, err error) error {
	if err := json.Unmarshal(text, new(struct{})); err != nil {
		return err
	}
	return fmt.Errorf("read JSON: %w", err)
}

// A field is one field of a struct.
type field struct {
	index int
	kind  fieldKind
}

type fieldKind int

const (
	restricted fieldKind = iota
	raw                  // json.RawMessage
	raws                 // []json.RawMessage
)

var structs sync.Map // a map[string]field per reflect.Type

// fieldsOf returns the fields of a struct by their JSON names. It panics if there are more than can be tracked.
func fieldsOf(t reflect.Type) map[string]field {
	if fields, known := structs.Load(t); known {
		return fields.(map[string]field)
	}
	if t.NumField() > 64 {
		panic(fmt.Sprintf("%s has more than 64 fields", t))
	}
	fields := map[string]field{}
	for i := range t.NumField() {
		f := field{index: i}
		switch t.Field(i).Type {
		case reflect.TypeFor[json.RawMessage]():
			f.kind = raw
		case reflect.TypeFor[[]json.RawMessage]():
			f.kind = raws
		}
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[cmp.Or(name, t.Field(i).Name)] = f
	}
	structs.Store(t, fields)
	return fields
}
