package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

// importTypes imports event types and returns the names of those that changed.
func (w *world) importTypes(in core.EventTypeImportIn) (names []string) {
	w.t.Helper()
	changed, err := w.service().EventTypeImport(w.t.Context(), eventTypeScope, in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range changed {
		names = append(names, t.Name)
	}
	return names
}

func TestAnImportMakesChangesAndArchives(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	other := core.Scope{OrgID: "org_other"}
	for _, in := range []core.EventTypeIn{
		{Name: "back", Description: "D", Archived: true},
		{Name: "changed", Description: "old", Schemas: json.RawMessage(`{"1":{},"2":{}}`), FeatureFlags: []string{"beta"}, GroupName: new("g")},
		{Name: "gone", Description: "D", Schemas: json.RawMessage(`{"1":{}}`)},
		{Name: "same", Description: "D", Schemas: json.RawMessage(`{"1":{}}`), FeatureFlags: []string{"beta"}},
	} {
		for _, scope := range []core.Scope{eventTypeScope, other} {
			if _, err := w.service().EventTypeCreate(ctx, scope, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	before, theirs := w.eventTypes(testOrg), w.eventTypes("org_other")
	in := core.EventTypeImportIn{ReplaceAll: true, DryRun: true, Types: []core.EventTypeIn{
		{Name: "same", Description: "D", Schemas: json.RawMessage(`{"1":{}}`)},
		{Name: "new", Description: "D", FeatureFlags: []string{"x"}},
		{Name: "changed", Description: "new", Schemas: json.RawMessage(`{"1":{"a":1}}`)},
		{Name: "back", Description: "D"},
	}}
	want := []string{"back", "changed", "gone", "new"}
	if got := w.importTypes(in); !slices.Equal(got, want) {
		t.Errorf("a dry run would change %q, want %q", got, want)
	}
	if after := w.eventTypes(testOrg); !slices.Equal(after, before) {
		t.Errorf("a dry run made of %q this: %q", before, after)
	}
	in.DryRun = false
	if got := w.importTypes(in); !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
	wantAll := []string{
		`back "D" archived false deprecated false  [] ""`,
		`changed "new" archived false deprecated false {"1":{"a":1}} [beta] "g"`,
		`gone "D" archived true deprecated false {"1":{}} [] ""`,
		`new "D" archived false deprecated false  [x] ""`,
		`same "D" archived false deprecated false {"1":{}} [beta] ""`,
	}
	if got := w.eventTypes(testOrg); !slices.Equal(got, wantAll) {
		t.Errorf("got  %q\nwant %q", got, wantAll)
	}
	if got := w.importTypes(in); got != nil {
		t.Errorf("the same again changed %q", got)
	}
	if got := w.eventTypes("org_other"); !slices.Equal(got, theirs) {
		t.Errorf("another organisation's are now %q, were %q", got, theirs)
	}
}

func TestAnImportChangesFlagsAndGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct {
		flags []string
		group *string
		want  string
	}{
		{nil, nil, `[] ""`},
		{[]string{"a"}, nil, `[a] ""`},
		{nil, new("g"), `[a] "g"`},
		{[]string{"b"}, new("g"), `[b] "g"`},
		{[]string{"b"}, new("h"), `[b] "h"`},
	} {
		changed := w.importTypes(core.EventTypeImportIn{Types: []core.EventTypeIn{{Name: "a", FeatureFlags: step.flags, GroupName: step.group}}})
		if got := w.eventTypes(testOrg)[0]; len(changed) != 1 || got != `a "" archived false deprecated false  `+step.want {
			t.Errorf("changed %q, and it is %s; want %s", changed, got, step.want)
		}
	}
}

func TestAnImportIsDoneInFullOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO event_type (org_id, name, description, archived, deprecated, created_at, updated_at)
		SELECT 'org_test', 'old.' || n, '', false, false, now(), now() FROM generate_series(1, 1001) n`)
	in := core.EventTypeImportIn{Types: []core.EventTypeIn{{Name: "new"}}, ReplaceAll: true}
	_, err := w.service().EventTypeImport(t.Context(), eventTypeScope, in)
	if !core.IsKind(err, core.KindInvalid) {
		t.Errorf("more than it may archive: %v", err)
	}
	if n := value[int](w, "SELECT count(*) FROM event_type WHERE archived OR name = 'new'"); n != 0 {
		t.Errorf("%d event types were changed nevertheless", n)
	}
	w.exec("DELETE FROM event_type WHERE name = 'old.1'")
	if changed := w.importTypes(in); len(changed) != 1001 {
		t.Errorf("changed %d, want one new and 1000 archived", len(changed))
	}
}

// Two concurrent imports that each archive what the other one names wait for each other.
func TestImportsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	imports := func(from int) error {
		in := core.EventTypeImportIn{ReplaceAll: true}
		for n := range 200 {
			in.Types = append(in.Types, core.EventTypeIn{Name: fmt.Sprintf("t%03d", (n+from)%300), Description: fmt.Sprint(from)})
		}
		_, err := w.service().EventTypeImport(t.Context(), eventTypeScope, in)
		return err
	}
	done := make(chan error)
	for _, from := range []int{0, 100, 200} {
		go func() { done <- imports(from) }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM event_type WHERE NOT archived"); n < 200 {
		t.Errorf("%d event types are there, want at least one import's", n)
	}
}

func TestAnImportIsForOrganisationsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := core.Scope{OrgID: testOrg, AppID: w.app.ID}
	if _, err := w.service().EventTypeImport(t.Context(), scope, core.EventTypeImportIn{}); !core.IsKind(err, core.KindForbidden) {
		t.Errorf("with an application's token: %v", err)
	}
}
