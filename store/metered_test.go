package store

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

// TestPagesOfLargeEndpointsAreShort reads 40 endpoints of 250 kB each. A page holds 4 MiB plus one endpoint.
func TestPagesOfLargeEndpointsAreShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoints(w.app.ID, 40, "(SELECT array_agg(repeat('a', 246) || lpad(n::text, 4, '0')) FROM generate_series(1, 1000) AS n)")
	for _, descending := range []bool{false, true} {
		var sizes []int
		var ids []core.EndpointID
		in := core.PageIn{Limit: new(250), Descending: descending}
		for done := false; !done && len(sizes) < 10; {
			page, err := core.NewEndpointPage(in)
			if err != nil {
				t.Fatal(err)
			}
			l, err := w.service().EndpointList(t.Context(), core.Scope{OrgID: testOrg}, "acme", page)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range l.Data {
				ids = append(ids, e.ID)
			}
			sizes, done = append(sizes, len(l.Data)), l.Done
			in.Iterator = string(ids[len(ids)-1])
		}
		want := slices.Sorted(slices.Values(ids))
		if descending {
			slices.Reverse(want)
		}
		if !slices.Equal(sizes, []int{17, 17, 6}) || !slices.Equal(ids, want) || len(slices.Compact(want)) != 40 {
			t.Errorf("descending %t: pages of %v, %v", descending, sizes, ids)
		}
	}
}

// TestAttemptsAreListedWithoutResponses reads no responses if none are shown.
func TestAttemptsAreListedWithoutResponses(t *testing.T) {
	t.Parallel()
	w, endpoint, _ := newLargeWorld(t)
	w.exec("UPDATE attempt SET response = 'hello'")
	for bare, want := range map[bool]string{false: "hello", true: ""} {
		page := core.Page{Before: "~", Limit: 10, Bare: bare}
		list, _, err := w.AttemptListByEndpoint(t.Context(), w.app.ID, endpoint.ID, core.AttemptFilter{}, page)
		if err != nil || len(list) != 6 || list[0].Response != want {
			t.Errorf("bare %t: %d attempts, the first answered %q, %v", bare, len(list), list[0].Response, err)
		}
	}
}
