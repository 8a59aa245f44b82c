package core

import (
	"strings"
	"testing"
)

// A payload nested as deeply as a request may be made every list that contained it too deep to parse: an SDK got an
// error for all messages of the application.
func TestMessagePayloadNestedTooDeepIsRefused(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "[]" + strings.Repeat("}", n) }
	for _, test := range []struct {
		name, payload string
		raw, ok       bool
	}{
		{"the deepest", nested(511), false, true},
		{"deeper", nested(512), false, false},
		{"deeper, raw", nested(512), true, false},
		{"deeper, raw and no JSON", nested(512) + "}", true, true},
		{"wide", `{"a":[` + strings.Repeat("[],", 1000) + `[]]}`, false, true},
		{"brackets in a text", `{"a":"\\\"` + strings.Repeat("[", 1000) + `"}`, false, true},
		{"behind a text that ends in a backslash", `{"b":"\\","a":` + nested(512) + `}`, false, false},
	} {
		var c checks
		if c.payload([]byte(test.payload), test.raw); (c.err() == nil) != test.ok {
			t.Errorf("%s: %v", test.name, c.err())
		}
	}
}
