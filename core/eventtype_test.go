package core_test

import (
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
