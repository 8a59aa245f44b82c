package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
)

// faults lists the ways in which a JSON value violates its schema. It supports the part of JSON Schema that the
// contract uses for answers. Fields that are not in the contract are faults.
func faults(s *schema, value any, where string) []string {
	if s.Ref != "" {
		s = contract().Components.Schemas[refName(s.Ref)]
	}
	s = merged(s)
	if value == nil {
		if s.Nullable {
			return nil
		}
		return []string{where + " is null"}
	}
	if s.Enum != nil && !slices.Contains(s.Enum, value) {
		return []string{fmt.Sprintf("%s = %v is none of %v", where, value, s.Enum)}
	}
	if s.Type == "" {
		return nil // anything
	}
	switch v := value.(type) {
	case map[string]any:
		return objectFaults(s, v, where)
	case []any:
		if s.Type != "array" {
			return []string{where + " is an array"}
		}
		var all []string
		for i, item := range v {
			all = append(all, faults(s.Items, item, fmt.Sprintf("%s[%d]", where, i))...)
		}
		return all
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			return []string{fmt.Sprintf("%s = %q is no %s %s", where, v, s.Type, s.Pattern)}
		}
	case float64:
		if s.Type != "integer" {
			return []string{where + " is a number"}
		}
	case bool:
		if s.Type != "boolean" {
			return []string{where + " is a boolean"}
		}
	}
	return nil
}

// merged returns a schema merged with the parts of its allOf.
func merged(s *schema) *schema {
	if s.AllOf == nil {
		return s
	}
	all := schema{Type: "object", Nullable: s.Nullable, Properties: map[string]*schema{}}
	for _, part := range s.AllOf {
		if part.Ref != "" {
			part = merged(contract().Components.Schemas[refName(part.Ref)])
		}
		all.Required = append(all.Required, part.Required...)
		maps.Copy(all.Properties, part.Properties)
	}
	return &all
}

func objectFaults(s *schema, object map[string]any, where string) []string {
	if s.Type != "object" {
		return []string{where + " is an object"}
	}
	if s.Properties == nil && s.AdditionalProperties == nil {
		return nil // anything
	}
	var all []string
	for _, name := range s.Required {
		if _, found := object[name]; !found {
			all = append(all, where+"."+name+" is missing")
		}
	}
	for name, value := range object {
		property := s.Properties[name]
		if property == nil {
			property = s.AdditionalProperties
		}
		if property == nil {
			all = append(all, where+"."+name+" is not in the contract")
			continue
		}
		all = append(all, faults(property, value, where+"."+name)...)
	}
	return all
}

func TestFaultsFindsThem(t *testing.T) {
	t.Parallel()
	ref := &schema{Ref: "#/components/schemas/HealthOut"}
	ok := map[string]any{"status": "ok"}
	if found := faults(ref, map[string]any{"database": ok, "queue": ok, "cache": ok}, "body"); found != nil {
		t.Errorf("faults = %q, want none", found)
	}
	for _, bad := range []any{
		nil, "text", 1.0, []any{}, map[string]any{"database": ok, "queue": ok},
		map[string]any{"database": ok, "queue": ok, "cache": map[string]any{"status": "so-so"}},
		map[string]any{"database": ok, "queue": ok, "cache": map[string]any{"status": 1.0}},
		map[string]any{"database": ok, "queue": ok, "cache": ok, "more": ok},
	} {
		if len(faults(ref, bad, "body")) != 1 {
			t.Errorf("faults of %v = %q, want one", bad, faults(ref, bad, "body"))
		}
	}
}
