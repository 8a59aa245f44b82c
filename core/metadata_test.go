package core

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestMetadataIsMeasuredAsCompactJSON(t *testing.T) {
	t.Parallel()
	for _, m := range []Metadata{
		nil, {}, {"a": ""}, {"": "b", "c": "d"}, {"é": "😀"}, {`"`: `\`}, {"a": "\b\t\n\v\f\r\x1f\x7f"}, {"<a href='x'>": "&"},
	} {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if m == nil {
			m = Metadata{}
		}
		if err := e.Encode(m); err != nil {
			t.Fatal(err)
		}
		if want := text.Len() - len("\n"); m.bytes() != want {
			t.Errorf("%q has %d bytes, want %d", m, m.bytes(), want)
		}
	}
	if got := (Metadata{"\u2028": ""}).bytes(); got != len(`{"`+"\u2028"+`":""}`) {
		t.Errorf("a line separator counts %d bytes in all", got)
	}
}
