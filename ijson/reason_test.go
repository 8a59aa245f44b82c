package ijson

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestReasonSpeaksOfJSON(t *testing.T) {
	t.Parallel()
	var v struct {
		Name  string
		Rate  uint16
		Tags  []string
		Inner struct{ On bool }
	}
	for text, want := range map[string]string{
		``:                          "it is cut off after byte 0",
		`{"Name":`:                  "it is cut off after byte 8",
		`{"Name":}`:                 "unexpected '}' at byte 9",
		`{} x`:                      "unexpected 'x' at byte 4",
		`{"Name":é}`:                "unexpected character at byte 9",
		"{\"Name\":\"\x01\"}":       "unexpected character at byte 10",
		`{"Name":1}`:                "Name: expected a string, not number",
		`{"Rate":70000}`:            "Rate: expected a whole number from 1 to 65535, not number 70000",
		`{"Tags":{}}`:               "Tags: expected an array, not object",
		`{"Inner":{"On":[]}}`:       "Inner.On: expected true or false, not array",
		`[]`:                        "expected an object, not array",
		strings.Repeat(`[`, 10_001): "it is nested too deep at byte 10001",
	} {
		if got := Reason(json.Unmarshal([]byte(text), &v)); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
	if got := Reason(json.NewDecoder(strings.NewReader(`{`)).Decode(&v)); got != "it is cut off" {
		t.Errorf("half an object: %q", got)
	}
}
