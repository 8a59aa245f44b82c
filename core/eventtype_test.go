package core_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestEventTypeUpdateCreatesOrReplaces(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	for _, test := range []struct {
		name, does string
		archived   bool // before
		created    core.Created
	}{
		{"order.paid", "creates", false, true},
		{"order.placed", "replaces", false, false},
		{"order.placed", "brings back", true, false},
	} {
		for i := range store.EventTypes {
			store.EventTypes[i].Archived = test.archived
		}
		got, created, err := service.EventTypeUpdate(t.Context(), scope, core.EventTypeIn{Name: test.name, Description: test.does})
		if err != nil || created != test.created || got.Description != test.does || got.Archived {
			t.Errorf("%s: %+v, created %t, %v", test.does, got, created, err)
		}
	}
	_, err := service.EventTypeCreate(t.Context(), scope, core.EventTypeIn{Name: "order.placed"})
	wantError(t, err, core.KindConflict, "")
	if len(store.EventTypes) != 2 {
		t.Errorf("stored %+v", store.EventTypes)
	}
}

func TestEventTypeCreateRefusesAnExistingOne(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	_, err := service.EventTypeCreate(t.Context(), scope, core.EventTypeIn{Name: "order.placed", Description: "again"})
	wantError(t, err, core.KindConflict, "")
	if store.EventTypes[0].Description != "" {
		t.Error("the event type has changed nevertheless")
	}
}

func TestEventTypeDeleteArchivesUnlessExpunged(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	if err := service.EventTypeDelete(t.Context(), scope, "order.placed", false); err != nil {
		t.Fatal(err)
	}
	if got, err := service.EventTypeGet(t.Context(), scope, "order.placed"); err != nil || !got.Archived {
		t.Errorf("got %+v, %v", got, err)
	}
	in := endpointIn("one")
	in.EventTypes = []string{"order.placed"}
	_, err := service.EndpointCreate(t.Context(), scope, "acme", in)
	wantField(t, err, "eventTypes")
	if err := service.EventTypeDelete(t.Context(), scope, "order.placed", true); err != nil || len(store.EventTypes) != 0 {
		t.Errorf("%d are left, %v", len(store.EventTypes), err)
	}
	for _, expunge := range []bool{false, true} {
		err := service.EventTypeDelete(t.Context(), scope, "order.placed", expunge)
		wantError(t, err, core.KindNotFound, "not_found")
		if err != nil && !strings.Contains(err.Error(), "There is no event type order.placed.") {
			t.Errorf("%v does not name it", err)
		}
	}
}

func TestEventTypePatchKeepsTheName(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.EventTypes[0].Name = "old name" // would be refused today
	got, err := service.EventTypePatch(t.Context(), scope, "old name", func(in *core.EventTypeIn) { in.Deprecated = true })
	if err != nil || got.Name != "old name" || !got.Deprecated || !got.UpdatedAt.Equal(now) {
		t.Errorf("patched to %+v, %v", got, err)
	}
	_, err = service.EventTypePatch(t.Context(), scope, "old name", func(in *core.EventTypeIn) { in.GroupName = new("") })
	wantField(t, err, "groupName")
}

func TestEventTypeFeatureFlagsHideFromApplications(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.EventTypes = []core.EventType{
		{OrgID: "org_a", Name: "beta", FeatureFlags: []string{"beta"}},
		{OrgID: "org_a", Name: "old", Archived: true},
		{OrgID: "org_a", Name: "open"},
		{OrgID: "org_b", Name: "others"},
	}
	for name, test := range map[string]struct {
		scope    core.Scope
		archived bool
		want     []string
	}{
		"organisation":           {scope, false, []string{"beta", "open"}},
		"organisation, archived": {scope, true, []string{"beta", "old", "open"}},
		"application":            {core.Scope{OrgID: "org_a", AppID: "app_1"}, false, []string{"open"}},
		"application with flag":  {core.Scope{OrgID: "org_a", AppID: "app_1", FeatureFlags: []string{"beta"}}, false, []string{"beta", "open"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := service.EventTypeList(t.Context(), test.scope, test.archived, tenRows)
			var names []string
			for _, et := range list.Data {
				names = append(names, et.Name)
			}
			if err != nil || !slices.Equal(names, test.want) {
				t.Errorf("listed %v, want %v; %v", names, test.want, err)
			}
			_, err = service.EventTypeGet(t.Context(), test.scope, "beta")
			if seen := slices.Contains(test.want, "beta"); (err == nil) != seen || err != nil && !core.IsKind(err, core.KindNotFound) {
				t.Errorf("got beta: %v, want it found: %t", err, seen)
			}
		})
	}
}
