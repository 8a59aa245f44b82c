package eventspec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A specSchema is a schema of an OpenAPI document converted to JSON Schema, with the names of the components that it
// refers to as #/definitions/name.
type specSchema struct {
	text json.RawMessage
	refs []string
}

// keywordsOfNames are keywords whose value maps names to schemas, so that "$ref" is just a name there. keywordsOfData
// are keywords whose value is data and not a schema. keywordsOfRef are keywords whose value is a reference.
var (
	keywordsOfNames = []string{"properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies"}
	keywordsOfData  = []string{"enum", "const", "default", "example", "examples", "discriminator", "externalDocs", "xml"}
	keywordsOfRef   = []string{"$ref", "$dynamicRef", "$recursiveRef"}
)

// standalone returns a schema with all the components that it needs in its definitions, or nil if the schema or one
// of them is invalid. A schema that is only a reference is replaced by its target, including the target's title and
// examples.
func (r *specReader) standalone(text, example json.RawMessage, where []string) json.RawMessage {
	if r.left < 0 {
		return nil // already recorded as a fault, so the rest would be wasted work
	}
	schema := r.schema(text, where)
	for range referencesMost {
		name, only := onlyReference(schema)
		if !only {
			break
		}
		schema = r.component(name)
	}
	if schema == nil {
		return nil
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(schema.text, &members) // cannot fail: we encoded it
	if !r.define(members, schema, where) {
		return nil
	}
	addExample(members, example)
	return compact(members)
}

// define adds all components that a schema needs to its definitions. It reports whether they fit into the limit and
// are valid. A component may refer to itself.
func (r *specReader) define(members map[string]json.RawMessage, schema *specSchema, where []string) bool {
	definitions := map[string]json.RawMessage{}
	fits := r.spend(len(schema.text), where)
	for queue := slices.Clone(schema.refs); fits && len(queue) > 0; queue = queue[1:] {
		name := queue[0]
		if _, known := definitions[name]; known {
			continue
		}
		component := r.component(name)
		if component == nil {
			return false // already recorded as a fault
		}
		fits = r.spend(len(name)+len(component.text), where)
		definitions[name] = component.text
		queue = append(queue, component.refs...)
	}
	if fits && len(definitions) > 0 {
		// This overwrites the schema's own definitions. It cannot refer to them, because references in OpenAPI begin at
		// the document.
		members["definitions"] = compact(definitions)
	}
	return fits
}

// addExample adds the example that OpenAPI keeps elsewhere to a schema without examples.
func addExample(members map[string]json.RawMessage, example json.RawMessage) {
	if example == nil {
		example = members["example"]
	}
	if members["examples"] == nil && example != nil {
		members["examples"] = slices.Concat([]byte("["), example, []byte("]"))
	}
}

// component returns a component of the document, or nil if it is invalid. Each component is read only once.
func (r *specReader) component(name string) *specSchema {
	if c, known := r.components[name]; known {
		return c
	}
	r.components[name] = nil
	c := r.schema(r.spec.Components.Schemas[name], []string{"components", "schemas", name})
	r.components[name] = c
	return c
}

// schema converts a schema of the document to JSON Schema and checks it. It returns nil if the schema is invalid.
func (r *specReader) schema(text json.RawMessage, where []string) *specSchema {
	before := len(r.faults)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		r.fault("A schema must be an object.", where...)
		return nil
	}
	if spend(schemaValuesMost, object, schemaDepthMost) < 0 {
		r.fault(schemaTooLarge(), where...)
		return nil
	}
	refs := map[string]bool{}
	r.convert(object, refs, where)
	s := &specSchema{text: compact(object), refs: slices.Sorted(maps.Keys(refs))}
	// Decode again without json.Number, which would be accepted as a number however large it is.
	object = nil
	if err := json.Unmarshal(s.text, &object); err != nil {
		number, _ := numberTooLarge(err) // the only possible error, because the schema was decoded before
		r.fault(fmt.Sprintf("The number %.40s in the schema is too large", number), where...)
	} else {
		r.refuse(invalidFields(schemaFaults(object, slices.Concat([]string{"body"}, r.at, where)...)))
	}
	if len(r.faults) > before {
		return nil
	}
	return s
}

// convert converts keywords specific to OpenAPI to JSON Schema in place, and adds the names of referenced components to
// refs.
func (r *specReader) convert(value any, refs map[string]bool, where []string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			r.convert(item, refs, where)
		}
	case map[string]any:
		convertNullable(value)
		convertExclusive(value, "minimum", "exclusiveMinimum")
		convertExclusive(value, "maximum", "exclusiveMaximum")
		for keyword, child := range value {
			named, isNamed := child.(map[string]any)
			ref, isText := child.(string)
			switch {
			case slices.Contains(keywordsOfData, keyword) || strings.HasPrefix(keyword, "x-"):
			case slices.Contains(keywordsOfRef, keyword) && isText:
				value[keyword] = r.reference(ref, refs, where)
			case slices.Contains(keywordsOfNames, keyword) && isNamed:
				for _, schema := range named {
					r.convert(schema, refs, where)
				}
			default:
				r.convert(child, refs, where)
			}
		}
	}
}

// reference converts a reference to a component into one to a definition. A path inside the component is kept.
func (r *specReader) reference(ref string, refs map[string]bool, where []string) string {
	token, further, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/schemas/"), "/")
	name, found := componentName("#/components/schemas/"+token, "schemas")
	if !found || !strings.HasPrefix(ref, "#/components/schemas/") {
		r.fault(fmt.Sprintf("The reference %.200q must be to a schema of this document: #/components/schemas/ and a name.", ref), where...)
		return ref
	}
	if r.spec.Components.Schemas[name] == nil {
		r.fault(fmt.Sprintf("The document has nothing at the reference %.200q.", ref), where...)
		return ref
	}
	refs[name] = true
	return strings.TrimSuffix("#/definitions/"+token+"/"+further, "/")
}

// onlyReference returns the component that a schema refers to, and reports whether the schema contains nothing else.
func onlyReference(s *specSchema) (name string, only bool) {
	if s == nil || len(s.refs) != 1 {
		return "", false
	}
	var members map[string]any
	_ = json.Unmarshal(s.text, &members) // cannot fail: we encoded it
	ref, _ := members["$ref"].(string)
	return s.refs[0], len(members) == 1 && ref != "" && strings.Count(ref, "/") == 2
}

// convertNullable adds null to the allowed types if OpenAPI 3.0's nullable is true.
func convertNullable(schema map[string]any) {
	nullable, is := schema["nullable"].(bool)
	if !is {
		return
	}
	delete(schema, "nullable")
	if name, is := schema["type"].(string); nullable && is && name != "null" {
		schema["type"] = []any{name, "null"}
	}
}

// convertExclusive converts OpenAPI 3.0's flag for an exclusive bound to JSON Schema, where the keyword has the bound
// as its value.
func convertExclusive(schema map[string]any, bound, exclusive string) {
	flag, is := schema[exclusive].(bool)
	if !is {
		return
	}
	delete(schema, exclusive)
	if limit, found := schema[bound]; found && flag {
		schema[exclusive] = limit
		delete(schema, bound)
	}
}
