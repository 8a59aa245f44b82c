package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestApplicationCreateGetsIfExists(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := core.ApplicationIn{Name: "Other", UID: new("acme")}
	_, _, err := service.ApplicationCreate(t.Context(), scope, in, false)
	wantError(t, err, core.KindConflict, "conflict")
	if err != nil && !strings.Contains(err.Error(), "The uid acme belongs to another application") {
		t.Errorf("%v does not name the uid", err)
	}
	app, created, err := service.ApplicationCreate(t.Context(), scope, in, true)
	if err != nil || bool(created) || app.ID != "app_1" || app.Name != "Acme" {
		t.Errorf("got %+v, created %t, %v", app, created, err)
	}
	in.UID = new("new")
	app, created, err = service.ApplicationCreate(t.Context(), scope, in, true)
	if err != nil || !bool(created) || !app.CreatedAt.Equal(now) || len(store.Applications) != 2 {
		t.Errorf("made %+v, created %t, %v", app, created, err)
	}
	_, _, err = service.ApplicationCreate(t.Context(), scope, core.ApplicationIn{UID: new("acme")}, true)
	wantField(t, err, "name")
}

func TestApplicationUpdateCreatesOrReplaces(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := core.ApplicationIn{Name: "Acme", UID: new("acme"), ThrottleRate: new(int32(7)), Metadata: core.Metadata{"a": "b"}}
	app, created, err := service.ApplicationUpdate(t.Context(), scope, "acme", in)
	if err != nil || bool(created) || app.ID != "app_1" || *app.ThrottleRate != 7 || app.Metadata["a"] != "b" {
		t.Errorf("replaced by %+v, created %t, %v", app, created, err)
	}
	app, created, err = service.ApplicationUpdate(t.Context(), scope, "app_1", core.ApplicationIn{Name: "Acme"})
	if err != nil || bool(created) || app.UID != nil || app.ThrottleRate != nil || len(app.Metadata) != 0 {
		t.Errorf("replaced by %+v, created %t, %v", app, created, err)
	}
	if _, created, err = service.ApplicationUpdate(t.Context(), scope, "acme", in); err != nil || !bool(created) {
		t.Errorf("after the uid was given up: created %t, %v", created, err)
	}
	_, _, err = service.ApplicationUpdate(t.Context(), scope, "app_1", in)
	wantError(t, err, core.KindConflict, "conflict")
	if len(store.Applications) != 2 || store.Applications[0].UID != nil {
		t.Errorf("stored %+v", store.Applications)
	}
}

func TestApplicationPatchKeepsTheRest(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Applications[0].UID = new("app_old") // would be refused today
	app, err := service.ApplicationPatch(t.Context(), scope, "app_old", func(a *core.ApplicationIn) { a.ThrottleRate = new(int32(3)) })
	if err != nil || app.Name != "Acme" || *app.UID != "app_old" || *app.ThrottleRate != 3 || !app.UpdatedAt.Equal(now) {
		t.Errorf("patched to %+v, %v", app, err)
	}
	for field, change := range map[string]func(*core.ApplicationIn){
		"uid":          func(a *core.ApplicationIn) { a.UID = new("app_new") },
		"name":         func(a *core.ApplicationIn) { a.Name = "" },
		"throttleRate": func(a *core.ApplicationIn) { a.ThrottleRate = new(int32(0)) },
	} {
		_, err := service.ApplicationPatch(t.Context(), scope, "app_1", change)
		wantField(t, err, field)
	}
	_, err = service.ApplicationPatch(t.Context(), scope, "other", func(*core.ApplicationIn) {})
	wantError(t, err, core.KindNotFound, "not_found")
	if got := store.Applications[0]; *got.UID != "app_old" || got.Name != "Acme" || *got.ThrottleRate != 3 {
		t.Errorf("stored %+v", got)
	}
}

func TestApplicationDeleteTakesItsEndpoints(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	if err := service.ApplicationDelete(t.Context(), scope, "acme"); err != nil || len(store.Endpoints) != 0 {
		t.Errorf("%d endpoints are left, %v", len(store.Endpoints), err)
	}
	err := service.ApplicationDelete(t.Context(), scope, "acme")
	wantError(t, err, core.KindNotFound, "not_found")
	_, err = service.MessageGet(t.Context(), scope, "app_1", string(sentMessage))
	wantError(t, err, core.KindNotFound, "not_found")
}

func TestApplicationListFiltersAcrossStatements(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Applications = nil
	const each = 5 // each fifth application has an endpoint
	for i := range 100 {
		id := core.NewAppID(now)
		store.Applications = append(store.Applications, core.Application{OrgID: "org_a", ID: id})
		if i%each == 0 {
			store.Endpoints = append(store.Endpoints, core.Endpoint{AppID: id, ID: core.NewEndpointID(now), Disabled: i%2 == 0})
		}
	}
	for name, test := range map[string]struct {
		filter core.ApplicationFilter
		want   int
	}{
		"all":               {core.ApplicationFilter{}, 100},
		"with endpoints":    {core.ApplicationFilter{NoEndpoints: true}, 20},
		"not only disabled": {core.ApplicationFilter{DisabledEndpoints: true}, 90},
		"with enabled ones": {core.ApplicationFilter{NoEndpoints: true, DisabledEndpoints: true}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen, in := map[core.AppID]bool{}, core.PageIn{Limit: new(7)}
			for done := false; !done; {
				page, err := core.NewApplicationPage(in)
				if err != nil {
					t.Fatal(err)
				}
				list, err := service.ApplicationList(t.Context(), scope, test.filter, page)
				if err != nil || len(list.Data) == 0 && !list.Done {
					t.Fatal(list, err)
				}
				for _, app := range list.Data {
					if seen[app.ID] {
						t.Fatalf("listed %s twice", app.ID)
					}
					seen[app.ID] = true
					in.Iterator = string(app.ID)
				}
				done = list.Done
			}
			if len(seen) != test.want {
				t.Errorf("listed %d applications, want %d", len(seen), test.want)
			}
		})
	}
}

// A page that has to examine very many applications ends early, and the next one continues there.
func TestApplicationListEndsEarly(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Applications = nil
	for i := range 3000 { // of different instants: ids of one instant have no order
		id := core.NewAppID(now.Add(time.Duration(i) * time.Second))
		store.Applications = append(store.Applications, core.Application{OrgID: "org_a", ID: id})
	}
	last := store.Applications[2999].ID
	store.Endpoints = []core.Endpoint{{AppID: last, ID: "ep_1"}}
	filter := core.ApplicationFilter{NoEndpoints: true}
	page, err := core.NewApplicationPage(core.PageIn{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := service.ApplicationList(t.Context(), scope, filter, page)
	if err != nil || list.Done || len(list.Data) != 0 || list.Next == "" {
		t.Fatalf("the first page is %+v, %v", list, err)
	}
	if page, err = core.NewApplicationPage(core.PageIn{Iterator: list.Next}); err != nil {
		t.Fatal(err)
	}
	list, err = service.ApplicationList(t.Context(), scope, filter, page)
	if err != nil || !list.Done || len(list.Data) != 1 || list.Data[0].ID != last {
		t.Errorf("the second page is %+v, %v", list, err)
	}
}
