package eventspec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

// pet returns an OpenAPI document with the given components and one webhook with the given schema.
func pet(version, schema, components string) string {
	return fmt.Sprintf(`{"openapi":%q,"webhooks":{"pet.new":{"post":{"requestBody":{"content":{"application/json":{"schema":%s}}}}}},
		"components":{"schemas":%s}}`, version, schema, components)
}

func TestReadWebhooks(t *testing.T) {
	t.Parallel()
	group, beta, alpha := "g", []string{"beta"}, []string{"alpha", "beta"}
	for _, test := range []struct {
		name, spec string
		want       core.EventTypeIn
	}{
		{"nothing said", `{"webhooks":{"a":{"post":{}}}}`, core.EventTypeIn{Name: "a"}},
		{"everything", `{"webhooks":{"a":{"post":{"operationId":"x","summary":"S","description":"D","deprecated":true,
			"x-svix-group-name":"g","x-svix-feature-flags":["alpha","beta","alpha"],"x-svix-feature-flag":"c",
			"requestBody":{"content":{"text/plain":{},"application/json; charset=utf-8":{"schema":{"type":"object"}}}}}}}}`,
			core.EventTypeIn{Name: "a", Description: "D", Deprecated: true, GroupName: &group, FeatureFlags: alpha, Schemas: []byte(`{"1":{"type":"object"}}`)}},
		{"summary and older flag", `{"webhooks":{"a":{"post":{"summary":"S","x-svix-feature-flag":"beta"}}}}`, core.EventTypeIn{Name: "a", Description: "S", FeatureFlags: beta}},
		{"OpenAPI 3.0", `{"x-webhooks":{"a":{"post":{"summary":"S"}}}}`, core.EventTypeIn{Name: "a", Description: "S"}},
		{"in both places", `{"x-webhooks":{"a":{"post":{"summary":"0"}}},"webhooks":{"a":{"post":{"summary":"1"}}}}`, core.EventTypeIn{Name: "a", Description: "1"}},
		{"another method", `{"webhooks":{"a":{"parameters":[],"put":{"summary":"S"}}}}`, core.EventTypeIn{Name: "a", Description: "S"}},
		{"post before others", `{"webhooks":{"a":{"get":{"summary":"G"},"post":{"summary":"P"}}}}`, core.EventTypeIn{Name: "a", Description: "P"}},
		{"no JSON", `{"webhooks":{"a":{"post":{"requestBody":{"content":{"text/xml":{"schema":{}}}}}}}}`, core.EventTypeIn{Name: "a"}},
		{"a path item and a body of the components", `{"webhooks":{"a":{"$ref":"#/components/pathItems/i~1%20"}},"components":{
			"pathItems":{"i/ ":{"post":{"requestBody":{"$ref":"#/components/requestBodies/b"}}}},
			"requestBodies":{"b":{"content":{"application/json":{"schema":{"title":"T"}}}}}}}`,
			core.EventTypeIn{Name: "a", Schemas: []byte(`{"1":{"title":"T"}}`)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			types, err := Read([]byte(test.spec), "spec")
			if err != nil || len(types) != 1 {
				t.Fatalf("got %v, %v", types, err)
			}
			if got, want := shown(types[0]), shown(test.want); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

func shown(t core.EventTypeIn) string {
	group := ""
	if t.GroupName != nil {
		group = *t.GroupName
	}
	return fmt.Sprintf("%s %q deprecated %t flags %q group %q schemas %s", t.Name, t.Description, t.Deprecated, t.FeatureFlags, group, t.Schemas)
}

func TestImportedSchemasStandAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, version, schema, components, want string }{
		{"alone", "3.1.0", `{"type":"object","title":"<é>"}`, `{}`, `{"title":"<é>","type":"object"}`},
		{"numbers", "3.1.0", `{"maximum":12345678901234567890.10}`, `{}`, `{"maximum":12345678901234567890.10}`},
		{"a component", "3.1.0", `{"items":{"$ref":"#/components/schemas/P"}}`, `{"P":{"type":"string"},"Q":{}}`,
			`{"definitions":{"P":{"type":"string"}},"items":{"$ref":"#/definitions/P"}}`},
		{"nothing but a reference", "3.1.0", `{"$ref":"#/components/schemas/P"}`, `{"P":{"$ref":"#/components/schemas/Q"},"Q":{"title":"Q","examples":[{}]}}`,
			`{"examples":[{}],"title":"Q"}`},
		{"a reference and more", "3.1.0", `{"$ref":"#/components/schemas/P","title":"T"}`, `{"P":{}}`,
			`{"$ref":"#/definitions/P","definitions":{"P":{}},"title":"T"}`},
		{"components of components", "3.1.0", `{"allOf":[{"$ref":"#/components/schemas/P"},{"$ref":"#/components/schemas/P"}]}`,
			`{"P":{"not":{"$ref":"#/components/schemas/Q"}},"Q":{}}`,
			`{"allOf":[{"$ref":"#/definitions/P"},{"$ref":"#/definitions/P"}],"definitions":{"P":{"not":{"$ref":"#/definitions/Q"}},"Q":{}}}`},
		{"a component that needs itself", "3.1.0", `{"$ref":"#/components/schemas/P"}`, `{"P":{"items":{"$ref":"#/components/schemas/P"}}}`,
			`{"definitions":{"P":{"items":{"$ref":"#/definitions/P"}}},"items":{"$ref":"#/definitions/P"}}`},
		{"two that need each other", "3.1.0", `{"not":{"$ref":"#/components/schemas/P"}}`, `{"P":{"not":{"$ref":"#/components/schemas/Q"}},"Q":{"not":{"$ref":"#/components/schemas/P"}}}`,
			`{"definitions":{"P":{"not":{"$ref":"#/definitions/Q"}},"Q":{"not":{"$ref":"#/definitions/P"}}},"not":{"$ref":"#/definitions/P"}}`},
		{"a circle of references alone", "3.1.0", `{"$ref":"#/components/schemas/P"}`, `{"P":{"$ref":"#/components/schemas/P"}}`,
			`{"$ref":"#/definitions/P","definitions":{"P":{"$ref":"#/definitions/P"}}}`},
		{"further into a component", "3.1.0", `{"$ref":"#/components/schemas/P/properties/a"}`, `{"P":{"properties":{"a":{}}}}`,
			`{"$ref":"#/definitions/P/properties/a","definitions":{"P":{"properties":{"a":{}}}}}`},
		{"names with signs in them", "3.1.0", `{"not":{"$ref":"#/components/schemas/a~1b%20c"}}`, `{"a/b c":{}}`,
			`{"definitions":{"a/b c":{}},"not":{"$ref":"#/definitions/a~1b%20c"}}`},
		{"what only looks like a reference", "3.1.0", `{"properties":{"$ref":{"type":"string"},"nullable":{},"enum":{"$ref":"#/components/schemas/P"}},"const":{"$ref":"x"},"x-a":{"$ref":"x"}}`, `{"P":{}}`,
			`{"const":{"$ref":"x"},"definitions":{"P":{}},"properties":{"$ref":{"type":"string"},"enum":{"$ref":"#/definitions/P"},"nullable":{}},"x-a":{"$ref":"x"}}`},
		{"3.0's own words", "3.0.3", `{"type":"string","nullable":true,"properties":{"a":{"type":"number","minimum":1,"exclusiveMinimum":true,"maximum":2,"exclusiveMaximum":false,"nullable":false}}}`, `{}`,
			`{"properties":{"a":{"exclusiveMinimum":1,"maximum":2,"type":"number"}},"type":["string","null"]}`},
		{"3.1's", "3.1.0", `{"minimum":1,"exclusiveMinimum":2}`, `{}`, `{"exclusiveMinimum":2,"minimum":1}`},
		{"an example", "3.0.3", `{"example":{"a":1}}`, `{}`, `{"example":{"a":1},"examples":[{"a":1}]}`},
		{"an example and examples", "3.1.0", `{"example":1,"examples":[2]}`, `{}`, `{"example":1,"examples":[2]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			types, err := Read([]byte(pet(test.version, test.schema, test.components)), "spec")
			if err != nil {
				t.Fatal(err)
			}
			if got := string(types[0].Schemas); got != `{"1":`+test.want+`}` {
				t.Errorf("got  %s\nwant %s", got, `{"1":`+test.want+`}`)
			}
			if err := CheckSchemas(types[0].Schemas); err != nil {
				t.Errorf("it could not be sent again: %v", err)
			}
		})
	}
}

func TestReadWebhooksRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, spec, want string }{
		{"no object", `[]`, "body spec: Expected an object, not array"},
		{"no webhooks", `{"openapi":"3.1.0","webhooks":null}`, "body spec: The document has no webhooks"},
		{"webhooks that are none", `{"webhooks":[]}`, "body spec webhooks: webhooks: expected an object, not array"},
		{"a webhook that is none", `{"webhooks":{"a":[]}}`, "body spec webhooks a: Expected an object, not array"},
		{"no operation", `{"webhooks":{"a":{},"b":null}}`, "body spec webhooks a: A webhook must have an operation, such as post.: body spec webhooks b: A webhook must"},
		{"deprecated", `{"webhooks":{"a":{"post":{"deprecated":1}}}}`, "body spec webhooks a post deprecated: post.deprecated: expected true or false, not number"},
		{"too many", `{"webhooks":{` + many(1001, `"w%d":{}`) + `}}`, "body spec: The document may hold at most 1000 webhooks, and holds 1001."},
		{"a path item elsewhere", `{"webhooks":{"a":{"$ref":"https://localhost:1/x"}}}`, `body spec webhooks a: The reference "https://localhost:1/x" is not to one of the document's pathItems.`},
		{"path items in a circle", `{"webhooks":{"a":{"$ref":"#/components/pathItems/a"}},"components":{"pathItems":{"a":{"$ref":"#/components/pathItems/a"}}}}`, "body spec webhooks a: The references form a circle"},
		{"a remote reference", pet("3.1.0", `{"not":{"$ref":"https://localhost:1/x"}}`, `{}`), `body spec webhooks pet.new: The reference "https://localhost:1/x" must be to a schema of this document`},
		{"a file", pet("3.1.0", `{"$ref":"file:///etc/passwd"}`, `{}`), `body spec webhooks pet.new: The reference "file:///etc/passwd" must be to a schema of this document`},
		{"another place in the document", pet("3.1.0", `{"$ref":"#/paths/a"}`, `{}`), `body spec webhooks pet.new: The reference "#/paths/a" must be to a schema of this document`},
		{"the whole component section", pet("3.1.0", `{"$ref":"#/components/schemas/"}`, `{}`), "must be to a schema of this document"},
		{"a missing component", pet("3.1.0", `{"$ref":"#/components/schemas/P"}`, `{}`), `body spec webhooks pet.new: The document has nothing at the reference "#/components/schemas/P"`},
		{"in a component", pet("3.1.0", `{"$ref":"#/components/schemas/P"}`, `{"P":{"not":{"$ref":"x"}}}`), `body spec components schemas P: The reference "x" must be to a schema of this document`},
		{"no schema", pet("3.1.0", `[]`, `{}`), "body spec webhooks pet.new: A schema must be an object."},
		{"a faulty schema", pet("3.1.0", `{"properties":{"a":{"type":"text"}}}`, `{}`), "body spec webhooks pet.new properties a type: value must be one of"},
		{"a faulty component", pet("3.1.0", `{"not":{"$ref":"#/components/schemas/P"}}`, `{"P":{"type":"text"}}`), "body spec components schemas P type: value must be one of"},
		{"a schema that is too deep", pet("3.1.0", nested(schemaDepthMost+1), `{}`), "body spec webhooks pet.new: The schemas may hold"},
		{"a number too large", pet("3.1.0", `{"maximum":1e999}`, `{}`), "body spec webhooks pet.new: The number 1e999 in the schema is too large"},
		{"megabytes for each of many", `{"webhooks":{` +
			many(1000, `"w%d":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/P"}}}}}}`) +
			`},"components":{"schemas":{"P":{"title":"` + strings.Repeat("x", 1<<20) + `"}}}}`, "The webhooks exceed 8388608 bytes"},
		{"a path item of megabytes for each of many", `{"webhooks":{` + many(1000, `"w%d":{"$ref":"#/components/pathItems/P"}`) +
			`},"components":{"pathItems":{"P":{"post":{},"x":"` + strings.Repeat("x", 1<<20) + `"}}}}`, "The webhooks exceed 8388608 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			types, err := Read([]byte(test.spec), "spec")
			if got := fmt.Sprint(err); !core.IsKind(err, core.KindInvalid) || !strings.Contains(got, test.want) {
				t.Errorf("got %v, %.300s\nwant %s", len(types), got, test.want)
			}
		})
	}
}

func many(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ",")
}
