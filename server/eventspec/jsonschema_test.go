package eventspec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// nested returns a schema nested the given number of JSON levels deep.
func nested(levels int) string {
	return strings.Repeat(`{"not":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

// wide returns a schema that contains the given number of values.
func wide(values int) string {
	return `{"x":[` + strings.TrimSuffix(strings.Repeat("0,", values-2), ",") + "]}"
}

func TestCheckSchemas(t *testing.T) {
	t.Parallel()
	const elsewhere = `"$ref":"https://localhost:1/schema.json"`
	for _, test := range []struct{ name, schemas, want string }{
		{"nothing", ``, ""},
		{"null", `null`, ""},
		{"no versions", `{}`, ""},
		{"empty", `{"1":{}}`, ""},
		{"usual", `{"1":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["a"],"properties":{"a":{"type":["string","null"],"format":"email"}}}}`, ""},
		{"several versions", `{"1":{"type":"object"},"2":{"type":"array"}}`, ""},
		{"unknown keywords", `{"1":{"example":{"type":1},"nullable":true}}`, ""},
		{"a name that is a keyword", `{"1":{"properties":{"type":{"const":1},"$ref":{}}}}`, ""},
		{"references, which are not followed", `{"1":{` + elsewhere + `},"2":{"$ref":"file:///etc/passwd"},"3":{"$ref":"#/none"}}`, ""},
		{"a circle", `{"1":{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/a"}}}}`, ""},
		{"one id twice", `{"1":{"allOf":[{"$id":"a"},{"$id":"a"}]}}`, ""},
		{"a pattern that Go does not know", `{"1":{"pattern":"^(?!a)\\cA","patternProperties":{"(?<=a)":{}}}}`, ""},
		{"a pattern that would take gigabytes", `{"1":{"pattern":"` + strings.Repeat("a{1000}", 20_000) + `"}}`, ""},
		{"draft 4", `{"1":{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}}`, ""},
		{"draft 2019-09", `{"1":{"$schema":"https://json-schema.org/draft/2019-09/schema","dependentRequired":{"a":["b"]}}}`, ""},
		{"draft 2020-12 by http", `{"1":{"$schema":"http://json-schema.org/draft/2020-12/schema","prefixItems":[{}]}}`, ""},
		{"as deep as may be", `{"1":` + nested(schemaDepthMost) + `}`, ""},
		{"as many values as may be", `{"1":` + wide(schemaValuesMost-1) + `}`, ""},

		{"an array", `[]`, "body schemas: schemas must be"},
		{"an array for a schema", `{"1":[]}`, "body schemas: schemas must be"},
		{"null for a schema", `{"1":null}`, "body schemas 1: A schema must be an object."},
		{"a number too large", `{"1":{"minimum":1e999}}`, "body schemas: The number 1e999 in schemas is too large"},
		{"type", `{"1":{"properties":{"a":{"type":"text"}}}}`, "body schemas 1 properties a type: value must be one of"},
		{"required", `{"1":{"required":[1]}}`, "body schemas 1 required 0: got number, want string"},
		{"two faults", `{"1":{"required":[1,2]},"2":{"minLength":-1}}`, "body schemas 1 required 0: got number, want string: body schemas 1 required 1: got number, want string: body schemas 2 minLength: minimum: got -1, want 0"},
		{"draft 4's flag in draft 7", `{"1":{"exclusiveMinimum":true}}`, "body schemas 1 exclusiveMinimum: got boolean, want number"},
		{"draft 2020-12", `{"1":{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":{}}}`, "body schemas 1 prefixItems: got object, want array"},
		{"another draft", `{"1":{"$schema":"https://localhost:1/draft"}}`, "body schemas 1 $schema: $schema must be one of http://json-schema.org/draft-07/schema, "},
		{"no draft", `{"1":{"$schema":1}}`, "body schemas 1 $schema: got number, want string"},
		{"too deep", `{"1":` + nested(schemaDepthMost+1) + `}`, "body schemas 1: The schemas may hold at most 50000 JSON values in total, nested at most 64 levels deep."},
		{"too many values", `{"1":` + wide(schemaValuesMost/2) + `,"2":` + wide(schemaValuesMost/2+1) + `}`, "body schemas 2: The schemas may hold"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := CheckSchemas(json.RawMessage(test.schemas))
			if err == nil && test.want == "" {
				return
			}
			got := fmt.Sprint(err)
			if rest, found := strings.CutPrefix(got, "validation_error: Validation error: "); test.want == "" || !found || !strings.HasPrefix(rest, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}
