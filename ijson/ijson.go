// Package ijson reads JSON objects as RFC 7493 (I-JSON) restricts them: names match exactly and are given
// once, and text has no unpaired surrogates. encoding/json ignores the case of names, takes the last of two
// members, and makes half a surrogate pair U+FFFD, so that two readers of one text may differ. What the
// caller keeps as a [json.RawMessage], such as a payload, is not restricted, and stays to the byte.
//
// It is the decoder that Go 1.27 has as encoding/json/v2, as a module, with errors for whoever wrote the text.
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

// lenient takes all that is JSON in its grammar, as encoding/json does.
var lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// IsObject reports whether a text begins as an object.
func IsObject(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n")
	return len(start) > 0 && start[0] == '{'
}

// Unmarshal reads an object into the struct that v points to. Members that the struct has no field for are
// skipped, whatever they hold; so are the restrictions for its fields of type [json.RawMessage], which alias text,
// and []json.RawMessage. A null leaves the struct as it is. It returns an [*Error], or a [*json.SyntaxError].
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

// Members returns the members of an object by name, each given once. The values are not restricted.
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

// Check checks a JSON value, and all that it holds.
func Check(text []byte) error {
	if err := jsonv2.Unmarshal(text, new(skipped)); err != nil {
		return within("", text, readError(err))
	}
	return nil
}

// skipped reads any value, and keeps nothing of it.
type skipped struct{}

// UnmarshalJSONFrom implements [jsonv2.UnmarshalerFrom].
func (*skipped) UnmarshalJSONFrom(d *jsontext.Decoder) error { return d.SkipValue() }

// walk calls each with the members of an object, in their order. Names come without their escapes, and alias
// text if they have none.
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
	name, _ := jsontext.AppendUnquote(nil, quoted) // with U+FFFD for half a pair
	return name, nil
}

// syntaxError is what encoding/json says of a text that is not JSON: it is known to those who read it.
func syntaxError(text []byte, err error) error {
	if err := json.Unmarshal(text, new(struct{})); err != nil {
		return err
	}
	return fmt.Errorf("read JSON: %w", err)
}

// A field is one of a struct.
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

var structs sync.Map // of type map[string]field, by reflect.Type

// fieldsOf is the fields of a struct by their names in JSON. It panics where there are more than are counted.
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
