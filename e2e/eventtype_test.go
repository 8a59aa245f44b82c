package e2e

import (
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

func TestEventTypeIsCreatedAndChanged(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	name := "invoice." + rig.Random()
	schemas := map[string]any{"1": map[string]any{"type": "object", "title": "Invoice"}}
	made := rig.Must(c.EventType.Create(ctx, svix.EventTypeIn{Name: name, Description: "Paid", Schemas: &schemas}, nil))(t)
	if made.Name != name || made.Description != "Paid" || made.Deprecated || *made.Archived {
		t.Errorf("created %+v", made)
	}
	got := rig.Must(c.EventType.Get(ctx, name))(t)
	if schema, ok := (*got.Schemas)["1"].(map[string]any); !ok || schema["title"] != "Invoice" {
		t.Errorf("got the schemas %v, want %v", *got.Schemas, schemas)
	}
	_, err := c.EventType.Create(ctx, svix.EventTypeIn{Name: name, Description: "Again"}, nil)
	rig.WantRefused(t, err, 409, "event_type_exists")

	updated := rig.Must(c.EventType.Update(ctx, name, svix.EventTypeUpdate{Description: "Was paid", Deprecated: new(true)}))(t)
	if updated.Description != "Was paid" || !updated.Deprecated || updated.Schemas != nil {
		t.Errorf("an update replaces everything; got %+v", updated)
	}
	patched := rig.Must(c.EventType.Patch(ctx, name, svix.EventTypePatch{Schemas: utils.NewNullable(schemas)}))(t)
	if patched.Description != "Was paid" || !patched.Deprecated || patched.Schemas == nil {
		t.Errorf("a patch leaves the rest alone; got %+v", patched)
	}
}

func TestEventTypeDeleteArchives(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	name := c.NewEventType(t)
	if !listsEventType(t, c, name, false) {
		t.Error("the list lacks the new event type")
	}
	rig.NoError(t, c.EventType.Delete(ctx, name, nil))
	if listsEventType(t, c, name, false) || !listsEventType(t, c, name, true) {
		t.Error("an archived event type is listed only by who asks for those too")
	}
	if got := rig.Must(c.EventType.Get(ctx, name))(t); !*got.Archived {
		t.Errorf("got %+v, want it archived", got)
	}
	// Creating it again restores it.
	again := rig.Must(c.EventType.Create(ctx, svix.EventTypeIn{Name: name, Description: "Back"}, nil))(t)
	if *again.Archived || again.Description != "Back" {
		t.Errorf("made again, it is %+v", again)
	}
	rig.NoError(t, c.EventType.Delete(ctx, name, &svix.EventTypeDeleteOptions{Expunge: new(true)}))
	_, err := c.EventType.Get(ctx, name)
	rig.WantRefused(t, err, 404, "not_found")
}

// listsEventType reports whether a list, over all its pages, contains an event type.
func listsEventType(t *testing.T, c rig.Client, name string, archived bool) bool {
	t.Helper()
	options := svix.EventTypeListOptions{Limit: new(uint64(250)), IncludeArchived: &archived}
	for {
		page := rig.Must(c.EventType.List(t.Context(), &options))(t)
		if slices.ContainsFunc(page.Data, func(e svix.EventTypeOut) bool { return e.Name == name }) {
			return true
		}
		if page.Done {
			return false
		}
		options.Iterator = page.Iterator
	}
}

var eventTypeMethods = map[string]method{
	"EventType.List": func(t *testing.T, w walk) {
		name := w.NewEventType(t)
		list := rig.Must(w.EventType.List(t.Context(), &svix.EventTypeListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, name, func(e svix.EventTypeOut) string { return e.Name })
	},
	"EventType.Create": func(t *testing.T, w walk) {
		name := "made." + rig.Random()
		rig.Must(w.EventType.Create(t.Context(), svix.EventTypeIn{Name: name, Description: "Made"}, nil))(t)
		same(t, rig.Must(w.EventType.Get(t.Context(), name))(t).Description, "Made")
	},
	"EventType.Get": func(t *testing.T, w walk) {
		name := w.NewEventType(t)
		same(t, rig.Must(w.EventType.Get(t.Context(), name))(t).Name, name)
	},
	"EventType.Update": func(t *testing.T, w walk) {
		name := w.NewEventType(t)
		rig.Must(w.EventType.Update(t.Context(), name, svix.EventTypeUpdate{Description: "Updated"}))(t)
		same(t, rig.Must(w.EventType.Get(t.Context(), name))(t).Description, "Updated")
	},
	"EventType.Patch": func(t *testing.T, w walk) {
		name := w.NewEventType(t)
		rig.Must(w.EventType.Patch(t.Context(), name, svix.EventTypePatch{Deprecated: new(true)}))(t)
		same(t, rig.Must(w.EventType.Get(t.Context(), name))(t).Deprecated, true)
	},
	"EventType.Delete": func(t *testing.T, w walk) {
		name := w.NewEventType(t)
		rig.NoError(t, w.EventType.Delete(t.Context(), name, nil))
		same(t, *rig.Must(w.EventType.Get(t.Context(), name))(t).Archived, true)
		rig.NoError(t, w.EventType.Delete(t.Context(), name, &svix.EventTypeDeleteOptions{Expunge: new(true)}))
		got, err := w.EventType.Get(t.Context(), name)
		gone(t, got, err)
	},
	"EventType.ImportOpenapi": func(t *testing.T, w walk) {
		rig.Must(w.EventType.ImportOpenapi(t.Context(), svix.EventTypeImportOpenApiIn{SpecRaw: new(petSpec)}, nil))(t)
		same(t, rig.Must(w.EventType.Get(t.Context(), "pet.new"))(t).Description, "A pet was born")
	},
}
