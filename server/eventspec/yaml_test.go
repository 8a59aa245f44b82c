package eventspec

import (
	"fmt"
	"strings"
	"testing"
)

func TestYAMLToJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, yaml, want string }{
		{"block", "a:\n  - 1\n  - b: true\n    c: ~\n", `{"a":[1,{"b":true,"c":null}]}`},
		{"flow", "{a: [1, 'b', \"c\\n\"]}", `{"a":[1,"b","c\n"]}`},
		{"empty list and map", "a: []\nb: {}", `{"a":[],"b":{}}`},
		{"keys that are no text", "200: a\ntrue: b\ny: c\non: d", `{"200":"a","on":"d","true":"b","y":"c"}`},
		{"words that were booleans once", "[yes, no, on, off, y]", `["yes","no","on","off","y"]`},
		{"dates", "[2026-01-31, 2026-01-31T09:30:00Z]", `["2026-01-31","2026-01-31T09:30:00Z"]`},
		{"numbers", "[3.10, 0x10, 1e3, 123456789012345678901234567890]", `[3.10,16,1e3,123456789012345678901234567890]`},
		{"quoted numbers", "['1', \"2\"]", `["1","2"]`},
		{"folded text", "a: >\n  b\n  c\n", `{"a":"b c\n"}`},
		{"aliases", "a: &x {b: 1}\nc: *x\nd: [*x]", `{"a":{"b":1},"c":{"b":1},"d":[{"b":1}]}`},
		{"an alias for a key", "a: &x k\n*x : 1", `{"a":"k","k":1}`},
		{"a tag", "a: !!str 1", `{"a":"1"}`},

		{"nothing", "", "the document is empty"},
		{"a comment", "# nothing", "the document is empty"},
		{"no YAML", "a: b: c", "yaml: "},
		{"merge keys", "a: &x {b: 1}\nc:\n  <<: *x", "line 3: a key must be"},
		{"a map for a key", "{a: 1}: b", "line 1: a key must be"},
		{"a key that stands there twice", "a: 1\nb: 2\na: 3", "line 3: the key \"a\" is given twice"},
		{"infinity", "a: .inf", "line 1: JSON has no number .inf"},
		{"a circle", "a: &x [*x]", "line 1: the document is nested more than 1000 levels deep"},
		{"too deep", strings.Repeat("[", 1100) + strings.Repeat("]", 1100), "line 1: the document is nested more than 1000 levels deep"},
		{"far too deep", strings.Repeat("[", 100_000), "yaml: exceeded max depth"},
		{"a few bytes for terabytes", bomb(12), "line 1: the document exceeds 4194304 bytes with its aliases expanded"},
		{"a long text for gigabytes", "a: &x " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*x,", 1<<18) + "]",
			"line 1: the document exceeds 4194304 bytes with its aliases expanded"},
		{"control characters", "a: \x00", "yaml: control characters are not allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := YAMLToJSON(test.yaml)
			if err != nil {
				got = []byte(err.Error())
			}
			if isPrefix := strings.HasPrefix(string(got), test.want); !isPrefix || err == nil && string(got) != test.want {
				t.Errorf("got %.200s, want %s", got, test.want)
			}
		})
	}
}

// bomb returns YAML with the given number of lines, each of which expands to ten copies of the line before.
func bomb(lines int) string {
	text := "l0: &l0 lol\n"
	for n := range lines {
		text += fmt.Sprintf("l%d: &l%d [%s]\n", n+1, n+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d,", n), 10), ","))
	}
	return text
}
