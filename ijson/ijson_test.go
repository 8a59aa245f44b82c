package ijson

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type inner struct {
	Name *string           `json:"name"`
	Map  map[string]string `json:"map"`
}

type outer struct {
	Text    *string           `json:"text,omitempty"`
	Number  *uint16           `json:"number"`
	List    []string          `json:"list"`
	Inner   *inner            `json:"inner"`
	Payload json.RawMessage   `json:"payload"`
	Items   []json.RawMessage `json:"items"`
}

func TestUnmarshalReadsExactNames(t *testing.T) {
	t.Parallel()
	text := ` { "Text":"A", "text" : "a", "TEXT":1, "\u006eumber":7, "list":["x",null],
		"inner":{"Name":"B","name":"b","map":{"k":"v","K":"\ud83d\ude00"}}, "payload": { "a":1 ,"a":"\ud800"} ,"items":[ {"b":1,"b":2}, 3 ],
		"unknown":{"a":1,"a":"\udfff"},"unknown":1,"\ud800":1 } `
	var got outer
	if err := Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := outer{
		Text: new("a"), Number: new(uint16(7)), List: []string{"x", ""},
		Inner:   &inner{new("b"), map[string]string{"k": "v", "K": "😀"}},
		Payload: json.RawMessage(`{ "a":1 ,"a":"\ud800"}`), Items: []json.RawMessage{json.RawMessage(`{"b":1,"b":2}`), json.RawMessage(`3`)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestValidAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "null", "nul", "nulll", " {} ", "{}}", "{} {}", "[1,]", `{"a":1,}`, `{"a":1,"a":2}`, `{a:1}`, `{"a"}`, `[`, `"`, "\xef\xbb\xbf{}",
		`"\ud800"`, `"\udc00\ud800"`, `"\u12"`, `"\x"`, "\"\xff\"", "\"\x00\"", "\"\t\"", "\"\x7f\"", "{\"\xff\":1,\"\xfe\":1}",
		"0", "-0", "-", "01", "1.", ".5", "1e5", "1e", "1E+400", "+1", "NaN", "\f{}", "\u00a0{}", "// c\n{}", "'a'",
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %t, want %t", text, got, want)
		}
	}
}

func TestUnmarshalKeepsPayloadsFromGrowing(t *testing.T) {
	t.Parallel()
	text := []byte(`{"payload":{},"text":"a"}`)
	var got outer
	if err := Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	_ = append(got.Payload, "xxxxxxx"...)
	if string(text) != `{"payload":{},"text":"a"}` {
		t.Errorf("the text became %s", text)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`:                                  "expected an object, not array",
		`"a"`:                                 "expected an object, not string",
		``:                                    "unexpected end of JSON input",
		`{"text":"a"`:                         "unexpected end of JSON input",
		`{"text":"a",}`:                       "invalid character '}' looking for beginning of object key string",
		`{}{}`:                                "invalid character '{' after top-level value",
		`{"text":"a","text":"a"}`:             "text: given twice; give it once",
		`{"text":"a","\u0074ext":"a"}`:        "text: given twice; give it once",
		`{"payload":{},"payload":{}}`:         "payload: given twice; give it once",
		`{"text":"\ud800"}`:                   "text: " + halfSurrogate,
		`{"text":"\udc00\ud800"}`:             "text: " + halfSurrogate,
		`{"text":1}`:                          "text: expected a string, not number",
		`{"number":65536}`:                    "number: expected a whole number from 1 to 65535, not number 65536",
		`{"number":"1"}`:                      "number: expected a whole number from 1 to 65535, not string",
		`{"list":["a","\uDBFF"]}`:             "list[1]: " + halfSurrogate,
		`{"list":["a",1]}`:                    "list[1]: expected a string, not number",
		`{"list":{}}`:                         "list: expected an array, not object",
		`{"inner":[]}`:                        "inner: expected an object, not array",
		`{"inner":{"name":"a","name":"b"}}`:   "inner.name: given twice; give it once",
		`{"inner":{"map":{"0":1}}}`:           "inner.map.0: expected a string, not number",
		`{"inner":{"map":{"a":"","a":""}}}`:   "inner.map.a: given twice; give it once",
		`{"inner":{"map":{"a":"\ud800"}}}`:    "inner.map.a: " + halfSurrogate,
		`{"inner":{"unknown":{"a":1,"a":2}}}`: "inner.unknown.a: given twice; give it once",
		`{"items":{}}`:                        "items: expected an array, not object",
	} {
		if err := Unmarshal([]byte(text), new(outer)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	var e *Error
	if err := Unmarshal([]byte(`{"inner":{"map":{"\ud800":"a"}}}`), new(outer)); !errors.As(err, &e) || e.Message != halfSurrogate {
		t.Errorf("half a pair in a name: %v", err)
	}
}

func TestMembersAreUnique(t *testing.T) {
	t.Parallel()
	got, err := Members([]byte(`{"a":{"b":1,"b":"\ud800"},"A":[ 1 ]}`))
	if err != nil || string(got["A"]) != "[ 1 ]" || !slices.Equal(slices.Sorted(maps.Keys(got)), []string{"A", "a"}) {
		t.Errorf("%s, %v", got, err)
	}
	for text, want := range map[string]string{
		`{"a":1,"\u0061":1}`: "a: given twice; give it once",
		`{"a":1`:             "unexpected end of JSON input",
	} {
		if _, err := Members([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestCheckLooksAtAllOfAText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":[{"b":"😀\ud83d\ude00"},1]}`: "",
		`{"a":[{"b":1,"b":2}]}`:           "a.0.b: given twice; give it once",
		`[{"b":"\ud800"}]`:                "[0].b: " + halfSurrogate,
		`"\udfff"`:                        halfSurrogate,
	} {
		err := Check([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// FuzzUnmarshal decodes any text: decoded fields have the values that encoding/json finds under exactly those names.
func FuzzUnmarshal(f *testing.F) {
	f.Add(`{"text":"a","number":1,"list":["b"],"inner":{"map":{"a":"b"}},"payload":{"a":[]},"items":[{}],"Text":"c"}`)
	f.Add(`{"\u0074ext":"\ud83d\ude00","payload":"\ud800","x":[`)
	f.Add("{\"text\":\"\xff\",\"payload\": \"\xff\" }")
	f.Fuzz(func(t *testing.T, text string) {
		var got outer
		if err := Unmarshal([]byte(text), &got); err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatalf("%q is taken, and %v", text, err)
		}
		if string(got.Payload) != string(members["payload"]) {
			t.Errorf("%q: the payload is %q", text, got.Payload)
		}
		var want *string
		if members["text"] != nil && json.Unmarshal(members["text"], &want) != nil || !reflect.DeepEqual(got.Text, want) {
			t.Errorf("%q: the text is %v, want %v", text, got.Text, want)
		}
	})
}

func TestValueMarksWhatIsAmbiguous(t *testing.T) {
	t.Parallel()
	twice, half := &Error{Message: givenTwice}, &Error{Message: halfSurrogate}
	for text, want := range map[string]any{
		`{"a":[1.50,"é",true,false,null,{}],"b":{"c":"\ud83d\ude00"}}`: map[string]any{
			"a": []any{json.Number("1.50"), "é", true, false, nil, map[string]any{}}, "b": map[string]any{"c": "😀"},
		},
		`{"a":1,"b":2,"\u0061":{},"a":3}`: map[string]any{"a": twice, "b": json.Number("2")},
		`["\ud800",[]]`:                   []any{half, []any{}},
	} {
		if got, err := Value([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `[`, `[1`, `{"a"`, `{"a":1`, `{"a":1,}`, `1 2`, `[1}`} {
		if got, err := Value([]byte(text)); err == nil {
			t.Errorf("%s: %v, want it refused", text, got)
		}
	}
}
