package core_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

func TestEventTypeImportReturnsChanges(t *testing.T) {
	t.Parallel()
	types := []core.EventTypeIn{{Name: "new"}, {Name: "changed", Description: "b"}, {Name: "same", Description: "a"}, {Name: "archived"}}
	for name, test := range map[string]struct {
		in      core.EventTypeImportIn
		changed []string
		shown   []string // not archived afterwards
	}{
		"plain":         {core.EventTypeImportIn{}, []string{"archived", "changed", "new"}, []string{"archived", "changed", "new", "other", "same"}},
		"dry run":       {core.EventTypeImportIn{DryRun: true}, []string{"archived", "changed", "new"}, []string{"changed", "other", "same"}},
		"replaces":      {core.EventTypeImportIn{ReplaceAll: true}, []string{"archived", "changed", "new", "other"}, []string{"archived", "changed", "new", "same"}},
		"replaces, dry": {core.EventTypeImportIn{ReplaceAll: true, DryRun: true}, []string{"archived", "changed", "new", "other"}, []string{"changed", "other", "same"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newService(core.EndpointRules{})
			store.EventTypes = []core.EventType{
				{OrgID: "org_a", Name: "archived", Archived: true},
				{OrgID: "org_a", Name: "changed", Description: "a"},
				{OrgID: "org_a", Name: "other"},
				{OrgID: "org_a", Name: "same", Description: "a"},
				{OrgID: "org_b", Name: "theirs"},
			}
			test.in.Types = types
			changed, err := service.EventTypeImport(t.Context(), scope, test.in)
			var names []string
			for _, et := range changed {
				names = append(names, et.Name)
				if et.Archived != (et.Name == "other") {
					t.Errorf("%s is reported as archived: %t", et.Name, et.Archived)
				}
			}
			if err != nil || !slices.Equal(names, test.changed) {
				t.Errorf("changed %v, want %v; %v", names, test.changed, err)
			}
			if got := unarchived(store, "org_a"); !slices.Equal(got, test.shown) {
				t.Errorf("not archived are %v, want %v", got, test.shown)
			}
			if got := unarchived(store, "org_b"); len(got) != 1 {
				t.Errorf("another organisation is left with %v", got)
			}
		})
	}
}

// unarchived returns the names of an organisation's event types.
func unarchived(store *coretest.Store, org core.OrgID) (names []string) {
	for _, et := range store.EventTypes {
		if et.OrgID == org && !et.Archived {
			names = append(names, et.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestEventTypeImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	_, err := service.EventTypeImport(t.Context(), scope, core.EventTypeImportIn{
		Types: []core.EventTypeIn{{Name: "good"}, {Name: "not good"}}, Loc: []string{"spec"},
	})
	wantField(t, err, "name")
	if len(store.EventTypes) != 1 {
		t.Errorf("stored %+v", store.EventTypes)
	}
	for i := range core.EventTypeImportMost {
		store.EventTypes = append(store.EventTypes, core.EventType{OrgID: "org_a", Name: fmt.Sprint(i)})
	}
	in := core.EventTypeImportIn{Types: []core.EventTypeIn{{Name: "good"}}, ReplaceAll: true}
	_, err = service.EventTypeImport(t.Context(), scope, in) // would archive one more than it may
	wantField(t, err, "replaceAll")
	if got := unarchived(store, "org_a"); len(got) != core.EventTypeImportMost+1 || slices.Contains(got, "good") {
		t.Errorf("%d event types are left", len(got))
	}
	in.Types = append(in.Types, core.EventTypeIn{Name: "0"})
	if changed, err := service.EventTypeImport(t.Context(), scope, in); err != nil || len(changed) != core.EventTypeImportMost+1 {
		t.Errorf("%d changes, %v", len(changed), err)
	}
}
