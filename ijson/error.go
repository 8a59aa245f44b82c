package ijson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error says what is wrong with a value, in words for the author of the text.
type Error struct {
	Path    []string // from the object to the value; an index is part of the name before it: tags[1]
	Message string
}

// Error implements the error interface.
func (e *Error) Error() string {
	if len(e.Path) == 0 {
		return e.Message
	}
	return strings.Join(e.Path, ".") + ": " + e.Message
}

const (
	givenTwice    = "given twice; give it once"
	halfSurrogate = `holds half of a surrogate pair, such as \ud800; send whole characters`
)

var kinds = map[jsontext.Kind]string{
	'n': "null", 'f': "bool", 't': "bool", '"': "string", '0': "number", '{': "object", '[': "array",
}

// readError turns a decoder's error into an Error. By then the text is known to be JSON.
func readError(err error) *Error {
	// Types with their own decoder, such as nullable ones, use encoding/json's.
	own, isOwn := errors.AsType[*json.UnmarshalTypeError](err)
	semantic, isSemantic := errors.AsType[*jsonv2.SemanticError](err)
	syntactic, isSyntactic := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case isSyntactic && errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{pathOf(syntactic.JSONPointer), givenTwice}
	case isSyntactic:
		return &Error{pathOf(syntactic.JSONPointer), halfSurrogate}
	case isOwn:
		e := &Error{Message: unexpected(own.Type, own.Value)}
		if isSemantic {
			e.Path = pathOf(semantic.JSONPointer)
		}
		if own.Field != "" {
			e.Path = append(e.Path, strings.Split(own.Field, ".")...)
		}
		return e
	case isSemantic && semantic.GoType != nil:
		found := kinds[semantic.JSONKind]
		if isNumber(semantic.GoType) && semantic.JSONKind == '0' {
			found += " " + string(semantic.JSONValue)
		}
		return &Error{pathOf(semantic.JSONPointer), unexpected(semantic.GoType, found)}
	}
	return &Error{Message: err.Error()}
}

func unexpected(t reflect.Type, found string) string {
	return fmt.Sprintf("expected %s, not %.40s", expected(t), found)
}

// expected names the JSON that a Go type is decoded from.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint16: // for rates and versions, which are never 0
		return "a whole number from 1 to 65535"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number that a double can hold"
	case reflect.Slice:
		return "an array"
	case reflect.Pointer:
		return expected(t.Elem())
	default:
		return "an object"
	}
}

func isNumber(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

func pathOf(p jsontext.Pointer) []string {
	var path []string
	for token := range p.Tokens() {
		path = append(path, token)
	}
	return path
}

// within adds the name of a member to an error in its value. An index into a list is appended to the list's name.
func within(name string, value []byte, e *Error) *Error {
	if len(e.Path) > 0 && len(value) > 0 && value[0] == '[' {
		e.Path[0] = name + "[" + e.Path[0] + "]"
		return e
	}
	if name != "" {
		e.Path = append([]string{name}, e.Path...)
	}
	return e
}
