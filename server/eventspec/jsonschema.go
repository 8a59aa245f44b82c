package eventspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/wire"
)

// An event type's schemas are only validated against the metaschema of their draft, not compiled. Compiling a schema
// would follow its references, including those to other hosts, compile its regular expressions, and take time
// quadratic in its size. Validating a valid schema takes about ten microseconds per value. The limits bound the
// report on a schema with a fault in every value.
const (
	schemaValuesMost = 50_000 // JSON values in all the schemas of an event type
	schemaDepthMost  = 64     // levels of nesting; Postgres accepts several thousand
	schemaFaultsMost = 10     // faults reported per schema
)

// drafts lists the JSON Schema drafts that the library supports. The first one applies to schemas without $schema,
// because OpenAPI and existing clients write that draft.
var drafts = []*jsonschema.Draft{
	jsonschema.Draft7, jsonschema.Draft4, jsonschema.Draft6, jsonschema.Draft2019, jsonschema.Draft2020,
}

// metaschemas returns the drafts' metaschemas by URL. It panics if one does not compile, which every test of a schema
// detects.
var metaschemas = sync.OnceValue(func() map[string]*jsonschema.Schema {
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // the metaschemas are in the library, and nothing is ever fetched
	c.UseRegexpEngine(func(p string) (jsonschema.Regexp, error) { return lazyPattern(p), nil })
	all := map[string]*jsonschema.Schema{}
	for _, draft := range drafts {
		all[draft.String()] = c.MustCompile(draft.String())
	}
	return all
})

// A lazyPattern is compiled only when it is matched. The metaschemas' own patterns are matched. A client's pattern is
// only created, when the library checks that it is a regular expression, and is never compiled: its syntax is
// ECMAScript's, which Go supports only in part, and a short pattern can take gigabytes to compile.
type lazyPattern string

func (p lazyPattern) MatchString(s string) bool { return regexp.MustCompile(string(p)).MatchString(s) }
func (p lazyPattern) String() string            { return string(p) }

// CheckSchemas checks that schemas maps versions to JSON Schemas. It does not change them.
func CheckSchemas(schemas json.RawMessage) error {
	if len(schemas) == 0 || string(schemas) == "null" {
		return nil
	}
	if err := ijson.Check(schemas); err != nil {
		return relocate(wire.ReadError(err), "schemas")
	}
	var byVersion map[string]map[string]any
	if err := json.Unmarshal(schemas, &byVersion); err != nil {
		if number, too := numberTooLarge(err); too {
			return wire.Unreadable(fmt.Sprintf("The number %.40s in schemas is too large", number), "schemas")
		}
		return wire.Unreadable("schemas must be an object that maps each version to a JSON Schema", "schemas")
	}
	values := schemaValuesMost
	var faults []core.Field
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		schema := byVersion[version]
		if schema == nil {
			faults = append(faults, wire.Unreadable("A schema must be an object.", "schemas", version).Fields...)
		} else if values = spend(values, schema, schemaDepthMost); values < 0 {
			faults = append(faults, wire.Unreadable(schemaTooLarge(), "schemas", version).Fields...)
			break
		} else {
			faults = append(faults, schemaFaults(schema, "body", "schemas", version)...)
		}
	}
	return invalidFields(faults)
}

// numberTooLarge reports whether err is caused by a number too large for a float64, and returns the number.
func numberTooLarge(err error) (number string, _ bool) {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok || e.Type == nil || e.Type.Kind() != reflect.Float64 {
		return "", false
	}
	return strings.CutPrefix(e.Value, "number ")
}

func schemaTooLarge() string {
	return fmt.Sprintf("The schemas may hold at most %d JSON values in total, nested at most %d levels deep.", schemaValuesMost, schemaDepthMost)
}

// invalidFields returns an error for the fields, or nil if there are none.
func invalidFields(fields []core.Field) error {
	if len(fields) == 0 {
		return nil
	}
	e := core.Invalid("")
	e.Fields = fields
	return e
}

// spend subtracts the number of values in value from left and returns the rest. The result is negative if there are
// too many values or they are nested too deep.
func spend(left int, value any, depth int) int {
	if left--; depth == 0 {
		left = -1
	}
	children := func(func(any) bool) {} // a scalar has none
	switch value := value.(type) {
	case map[string]any:
		children = maps.Values(value)
	case []any:
		children = slices.Values(value)
	}
	for child := range children {
		if left < 0 {
			break
		}
		left = spend(left, child, depth-1)
	}
	return left
}

// schemaFaults returns the faults that make a schema invalid in its draft. loc is the location of the schema.
func schemaFaults(schema map[string]any, loc ...string) []core.Field {
	draft := drafts[0].String()
	if said, is := schema["$schema"].(string); is {
		draft = canonicalDraft(said)
	}
	meta := metaschemas()[draft]
	if meta == nil {
		known := make([]string, len(drafts))
		for i, d := range drafts {
			known[i] = d.String()
		}
		return wire.Unreadable("$schema must be one of "+strings.Join(known, ", "), append(loc[1:], "$schema")...).Fields
	}
	e, faulty := errors.AsType[*jsonschema.ValidationError](meta.Validate(schema))
	if !faulty {
		return nil
	}
	return appendFaults(nil, e, loc)
}

// canonicalDraft returns a draft's URL as the library spells it. Clients may add an empty fragment or write https
// instead of http.
func canonicalDraft(url string) string {
	url = strings.TrimSuffix(url, "#")
	_, path, _ := strings.Cut(url, "://")
	for _, draft := range drafts {
		if _, known, _ := strings.Cut(draft.String(), "://"); known == path {
			return draft.String()
		}
	}
	return url
}

// appendFaults appends the innermost causes of an error, which say what is wrong and where.
func appendFaults(faults []core.Field, e *jsonschema.ValidationError, loc []string) []core.Field {
	if len(e.Causes) == 0 {
		at := slices.Concat(loc, e.InstanceLocation)
		return append(faults, wire.Unreadable(e.BasicOutput().Error.String(), at[1:]...).Fields...)
	}
	for _, cause := range e.Causes {
		if len(faults) >= schemaFaultsMost {
			break
		}
		faults = appendFaults(faults, cause, loc)
	}
	return faults
}
