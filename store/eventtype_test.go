package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

var eventTypeScope = core.Scope{OrgID: testOrg}

// eventTypes prints an organisation's event types, including archived ones.
func (w *world) eventTypes(org core.OrgID) []string {
	w.t.Helper()
	list, err := w.service().EventTypeList(w.t.Context(), core.Scope{OrgID: org}, true, core.Page{Before: "\x7f", Limit: 250})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, t := range list.Data {
		group := ""
		if t.GroupName != nil {
			group = *t.GroupName
		}
		all = append(all, fmt.Sprintf("%s %q archived %t deprecated %t %s %v %q", t.Name, t.Description, t.Archived, t.Deprecated, t.Schemas, t.FeatureFlags, group))
	}
	return all
}

func TestAnEventTypeIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	// NULs and lone surrogates are valid in json until somebody asks for the text they stand for.
	schemas := json.RawMessage(`{"1": {"title":"\u0000 \ud800", "maximum":1.0,  "b":1,"a":2}}`)
	made, err := w.service().EventTypeCreate(ctx, eventTypeScope, core.EventTypeIn{
		Name: "a", Description: "D", Deprecated: true, Schemas: schemas, FeatureFlags: []string{"y", "x"}, GroupName: new("g"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.service().EventTypeGet(ctx, eventTypeScope, "a")
	if err != nil || fmt.Sprintf("%+v", *got.GroupName) != "g" || string(got.Schemas) != string(schemas) ||
		!slices.Equal(got.FeatureFlags, made.FeatureFlags) || !got.CreatedAt.Equal(made.CreatedAt) {
		t.Errorf("got %+v, %v", got, err)
	}
	cleared, err := w.service().EventTypePatch(ctx, eventTypeScope, "a", func(in *core.EventTypeIn) { in.GroupName, in.FeatureFlags = nil, nil })
	if err != nil || cleared.GroupName != nil || w.eventTypes(testOrg)[0] != `a "D" archived false deprecated true `+string(schemas)+` [] ""` {
		t.Errorf("cleared: %+v, %v; stored %s", cleared, err, w.eventTypes(testOrg))
	}
}

func TestAnArchivedEventTypeIsBroughtBack(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	create := func(description string) error {
		_, err := w.service().EventTypeCreate(ctx, eventTypeScope, core.EventTypeIn{Name: "a", Description: description, GroupName: new(description)})
		return err
	}
	if err := create("one"); err != nil {
		t.Fatal(err)
	}
	if err := create("two"); !core.IsKind(err, core.KindConflict) {
		t.Errorf("made twice: %v", err)
	}
	if err := w.service().EventTypeDelete(ctx, eventTypeScope, "a", false); err != nil {
		t.Fatal(err)
	}
	if err := create("three"); err != nil {
		t.Errorf("brought back: %v", err)
	}
	if got := w.eventTypes(testOrg); got[0] != `a "three" archived false deprecated false  [] "three"` {
		t.Errorf("it is %s", got)
	}
}
