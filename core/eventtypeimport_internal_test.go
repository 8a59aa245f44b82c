package core

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEventTypeInIsChecked(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 257)
	for _, test := range []struct {
		name   string
		change func(*EventTypeIn)
		want   string
	}{
		{"nothing but a name", func(*EventTypeIn) {}, ""},
		{"all", func(in *EventTypeIn) {
			in.Description, in.Schemas, in.FeatureFlags, in.GroupName = "D", json.RawMessage(`{"1":{}}`), []string{"a", "b"}, new("g.h-i_1")
		}, ""},
		{"no name", func(in *EventTypeIn) { in.Name = "" }, "body name: name must not be empty"},
		{"a name that no URL holds", func(in *EventTypeIn) { in.Name = "a/b" }, "body name: name may hold only letters"},
		{"a long name", func(in *EventTypeIn) { in.Name = long }, "body name: name must not exceed 256 characters, and has 257"},
		{"NUL", func(in *EventTypeIn) { in.Description = "\x00" }, "body description: description must not hold control characters"},
		{"schemas", func(in *EventTypeIn) { in.Schemas = json.RawMessage(`{"1":[]}`) }, "body schemas: schemas must be"},
		{"a flag", func(in *EventTypeIn) { in.FeatureFlags = []string{"a", ""} }, "body featureFlag: featureFlag must not be empty"},
		{"no group", func(in *EventTypeIn) { in.GroupName = new("") }, "body groupName: groupName must not be empty"},
		{"a long group", func(in *EventTypeIn) { in.GroupName = &long }, "body groupName: groupName must not exceed"},
		{"NUL in a group", func(in *EventTypeIn) { in.GroupName = new("a\x00") }, "body groupName: groupName may hold only"},
	} {
		in := EventTypeIn{Name: "a.b"}
		test.change(&in)
		if got := faultOf(in.validate()); !strings.HasPrefix(got, test.want) || got != "" && test.want == "" {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// faultOf returns an error's text after its code and message, which are always the same.
func faultOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "validation_error: Validation error: ")
}

func TestEventTypeImportNamesEachFault(t *testing.T) {
	t.Parallel()
	in := EventTypeImportIn{Loc: []string{"spec", "webhooks"}, Types: []EventTypeIn{
		{Name: "a b"}, {Name: "good"}, {Name: "c", Description: "\x00", GroupName: new("")},
	}}
	const want = "body spec webhooks a b name: name may hold only letters, digits, - _ .: " +
		"body spec webhooks c description: description must not hold control characters 0x00-0x08: " +
		"body spec webhooks c groupName: groupName must not be empty"
	if got := faultOf(in.validate()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEventTypeImportHasBounds(t *testing.T) {
	t.Parallel()
	in := EventTypeImportIn{Loc: []string{"spec"}}
	for n := range EventTypeImportMost + 1 {
		in.Types = append(in.Types, EventTypeIn{Name: fmt.Sprint(n)})
	}
	if got := faultOf(in.validate()); got != "body spec: An import may hold at most 1000 event types, and holds 1001." {
		t.Errorf("got %s", got)
	}
	in.Types = in.Types[1:]
	if err := in.validate(); err != nil {
		t.Error(err)
	}
}
