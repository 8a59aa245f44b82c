package core_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

// newUsage returns a service whose application app_1 has n messages, each sent to two endpoints, and app_2 none.
func newUsage(n int) (*core.Service, *coretest.Store) {
	service, store := newService(core.EndpointRules{})
	store.Applications = append(store.Applications, core.Application{OrgID: "org_a", ID: "app_2"}, core.Application{OrgID: "org_b", ID: "app_3"})
	for range n {
		m := core.Message{AppID: "app_1", ID: core.NewMessageID(now.Add(-time.Hour))}
		store.Messages = append(store.Messages, core.NewMessage{Message: m})
	}
	if n > 0 {
		first := core.Attempt{AppID: "app_1", MessageID: store.Messages[0].ID, EndpointID: "ep_1"}
		last := core.Attempt{AppID: "app_1", MessageID: store.Messages[n-1].ID, EndpointID: "ep_1"}
		again, other := last, last
		other.EndpointID = "ep_2"
		store.Attempts = []core.Attempt{first, last, again, other}
	}
	return service, store
}

func TestStatsUsageAppCountsDestinations(t *testing.T) {
	t.Parallel()
	none, all := core.AppUsage{AppID: "app_2"}, core.AppUsage{AppID: "app_1", AppUID: new("acme"), MessageDestinations: 3}
	for name, test := range map[string]struct {
		messages   int
		processed  int64
		refs       []string
		want       []core.AppUsage
		unresolved []string
	}{
		"all":              {2, 2, nil, []core.AppUsage{all, none}, nil},
		"one, named twice": {2, 2, []string{"acme", "app_1", "nobody", "app_3"}, []core.AppUsage{all}, []string{"nobody", "app_3"}},
		"one without":      {2, 0, []string{"app_2"}, []core.AppUsage{none}, nil},
		"several steps":    {5001, 5001, nil, []core.AppUsage{all, none}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newUsage(test.messages)
			in := core.UsageIn{Since: now.Add(-2 * time.Hour), Until: now.Add(time.Hour), AppRefs: test.refs}
			_, unresolved, err := service.StatsUsageApp(t.Context(), scope, in)
			if err != nil || !slices.Equal(unresolved, test.unresolved) {
				t.Errorf("not found: %v, want %v; %v", unresolved, test.unresolved, err)
			}
			stepAll(t, store)
			task := store.Tasks[0]
			if got := task.Progress().AppStats; task.Status != core.TaskFinished || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s, counted %+v, want %+v", task.Status, got, test.want)
			}
			if task.Processed != test.processed {
				t.Errorf("processed %d messages, want %d", task.Processed, test.processed)
			}
		})
	}
}

func TestStatsUsageAppChecksItsInput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in    core.UsageIn
		field string
	}{
		"backwards":            {core.UsageIn{Since: now, Until: now.Add(-1)}, "since"},
		"too many":             {core.UsageIn{AppRefs: make([]string, 10_001)}, "appIds"},
		"not text":             {core.UsageIn{AppRefs: []string{"a\x00"}}, "appIds"},
		"none of them exists":  {core.UsageIn{AppRefs: []string{"nobody"}}, "appIds"},
		"another organisation": {core.UsageIn{AppRefs: []string{"app_3"}}, "appIds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newUsage(1)
			_, _, err := service.StatsUsageApp(t.Context(), scope, test.in)
			if wantField(t, err, test.field); len(store.Tasks) != 0 {
				t.Error("the task begins nevertheless")
			}
		})
	}
}

func TestStatsUsageAppLeavesOutDeletedApplications(t *testing.T) {
	t.Parallel()
	service, store := newUsage(1)
	in := core.UsageIn{Since: now.Add(-2 * time.Hour), Until: now, AppRefs: []string{"acme", "app_2"}}
	if _, _, err := service.StatsUsageApp(t.Context(), scope, in); err != nil {
		t.Fatal(err)
	}
	if err := service.ApplicationDelete(t.Context(), scope, "acme"); err != nil {
		t.Fatal(err)
	}
	stepAll(t, store)
	if task := store.Tasks[0]; task.Status != core.TaskFinished || len(task.Data.AppStats) != 1 || task.Data.AppStats[0].AppID != "app_2" {
		t.Errorf("the task ended as %+v", task)
	}
}

func TestStatsUsageEventTypesListsSubscriptions(t *testing.T) {
	t.Parallel()
	service, store := newUsage(0)
	for range 60 { // more than one step lists
		store.Applications = append(store.Applications, core.Application{OrgID: "org_a", ID: core.NewAppID(now)})
	}
	store.Endpoints = []core.Endpoint{
		{AppID: "app_1", ID: "ep_1", EventTypes: []string{"order.placed"}}, {AppID: "app_2", ID: "ep_2"}, {AppID: "app_3", ID: "ep_3"},
	}
	if _, err := service.StatsUsageEventTypes(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	stepAll(t, store)
	seen := map[core.AppID]core.AppEventTypes{}
	for _, types := range store.Tasks[0].Data.EventTypes {
		seen[types.AppID] = types
	}
	if len(seen) != 62 || len(store.Tasks[0].Data.EventTypes) != 62 || store.Tasks[0].Status != core.TaskFinished {
		t.Errorf("listed %d applications, want 62", len(seen))
	}
	if one, two := seen["app_1"], seen["app_2"]; one.CatchAll || !slices.Equal(one.EventTypes, []string{"order.placed"}) || !two.CatchAll {
		t.Errorf("listed %+v and %+v", one, two)
	}
	if _, found := seen["app_3"]; found {
		t.Error("listed an application of another organisation")
	}
}
