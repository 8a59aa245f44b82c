package core

import (
	"fmt"
	"strings"
)

// checks collects all errors in one request, so that the client learns of all of them at once.
type checks struct{ fields []Field }

// body records message against a field of the request's body unless ok.
func (c *checks) body(ok bool, message string, path ...string) {
	if !ok {
		loc := append([]string{"body"}, path...)
		c.fields = append(c.fields, Field{Loc: loc, Message: message, Type: "value_error"})
	}
}

// err returns nil if nothing is wrong. It returns error, not *Error, so that callers can compare it with nil.
func (c *checks) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return invalid(c.fields)
}

// Names (uids, event types, event ids, feature flags) have 1 to 256 of these characters, which need no escaping in a
// URL.
const (
	nameChars    = "letters, digits, - _ ." // as errors spell them
	nameBytesMax = 256
)

func (c *checks) name(s string, path ...string) {
	c.nameOf(s, "", nameChars, path...)
}

// pathName checks a name that is a path segment of its own: a uid, an event type or an event id. "." and ".." are
// rejected, because clients remove such segments from a URL before they send it: a DELETE of the endpoint ".." would
// delete its application.
func (c *checks) pathName(s string, path ...string) {
	c.name(s, path...)
	c.body(s != "." && s != "..", fmt.Sprintf("%s must not be %q: clients remove this segment from URLs", fieldName(path), s), path...)
}

// nameOf checks a name that may also contain the further characters.
func (c *checks) nameOf(s, further, chars string, path ...string) {
	c.body(s != "", fieldName(path)+" must not be empty", path...)
	c.body(len(s) <= nameBytesMax, fmt.Sprintf("%s must not exceed %d characters, and has %d", fieldName(path), nameBytesMax, len(s)), path...)
	c.body(strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) && !strings.ContainsRune(further, r) }) < 0,
		fieldName(path)+" may hold only "+chars, path...)
}

// fieldName returns the name by which an error refers to the field at the end of a path.
func fieldName(path []string) string {
	if len(path) == 0 {
		return "the value"
	}
	return path[len(path)-1]
}

// isName reports whether s has the length and the characters of a name.
func isName(s string) bool {
	return s != "" && len(s) <= nameBytesMax && strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) }) < 0
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}

// uid checks a client's own name for an entity. It must not look like an id of the same kind, because a path accepts
// either.
func (c *checks) uid(uid *string, prefix string) {
	if uid == nil {
		return
	}
	c.pathName(*uid, "uid")
	c.body(!strings.HasPrefix(*uid, prefix),
		fmt.Sprintf("uid must not begin with %s, as ids do; put _ before it", prefix), "uid")
}

// unlessKept returns the uid if it must be checked, or nil if the row has it already: an earlier release may have
// accepted one that is rejected now.
func unlessKept(uid, stored *string) *string {
	if uid != nil && stored != nil && *uid == *stored {
		return nil
	}
	return uid
}

// text checks free text: Postgres cannot store a NUL, and the control characters before tab are never intended.
func (c *checks) text(s string, path ...string) {
	c.body(strings.IndexFunc(s, func(r rune) bool { return r <= 0x08 }) < 0,
		fieldName(path)+" must not hold control characters 0x00-0x08", path...)
}

// Whatever clients store is read a page at a time, with every field, so every field is bounded. The database has the
// same bounds as constraints; see the migration that bounds what clients store.
const (
	nameTextBytesMax    = 4096
	descriptionBytesMax = 16_384
)

// boundedText checks free text of up to most bytes.
func (c *checks) boundedText(s string, most int, field string) {
	c.body(len(s) <= most, fmt.Sprintf("%s must not exceed %d bytes, and has %d", field, most, len(s)), field)
	c.text(s, field)
}

func (c *checks) throttleRate(rate *int32) {
	c.body(rate == nil || *rate >= 1 && *rate <= 65535, "throttleRate must be between 1 and 65535", "throttleRate")
}

// Metadata holds a client's own notes on an application or endpoint.
type Metadata map[string]string

// MetadataBytesMax bounds the metadata as compact JSON.
const MetadataBytesMax = 4096

func (c *checks) metadata(m Metadata) {
	if m.bytes() > MetadataBytesMax {
		c.body(false, fmt.Sprintf("metadata must not exceed %d bytes as compact JSON, and has %d", MetadataBytesMax, m.bytes()), "metadata")
		return
	}
	for key, value := range m {
		c.text(key+value, "metadata")
	}
}

// bytes returns the length as compact JSON with only the escapes that JSON requires. encoding/json would add escapes
// for HTML and JavaScript.
func (m Metadata) bytes() int {
	n := len("{}") + max(0, len(m)-1)*len(",")
	for key, value := range m {
		n += quotedBytes(key) + len(":") + quotedBytes(value)
	}
	return n
}

func quotedBytes(text string) int {
	n := len(`""`) + len(text)
	for _, c := range []byte(text) {
		switch {
		case c == '"', c == '\\', c >= '\b' && c <= '\r' && c != '\v':
			n++ // as \n
		case c < ' ':
			n += len(`\u001f`) - 1
		}
	}
	return n
}

// names checks a set of names. Nil means no restriction; an empty set would match nothing.
func (c *checks) names(set []string, most int, further, pattern, field string) {
	if set == nil {
		return
	}
	c.body(len(set) > 0 && len(set) <= most,
		fmt.Sprintf("%s must have at least 1 and at most %d items, or be set to null.", capital(field), most), field)
	if len(set) > most {
		return // checking each of a million would be wasted work
	}
	for i, s := range set {
		c.nameOf(s, further, pattern, fmt.Sprintf("%s[%d]", field, i))
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
