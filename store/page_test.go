package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestListsGoBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := core.Scope{OrgID: testOrg}
	want := []string{"acme"}
	for n := range 6 {
		name := fmt.Sprint("app", n)
		want = append(want, name)
		w.addApplication(testOrg, name)
	}
	w.addApplication("org_other", "theirs")
	two := 2
	read := func(in core.PageIn) core.List[core.Application] {
		t.Helper()
		in.Limit = &two
		p, err := core.NewApplicationPage(in)
		if err != nil {
			t.Fatal(err)
		}
		l, err := w.service().ApplicationList(t.Context(), scope, core.ApplicationFilter{}, p)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var got []string
	var second core.AppID
	for l, in := read(core.PageIn{}), (core.PageIn{}); ; l = read(in) {
		for _, a := range l.Data {
			got = append(got, a.Name)
		}
		if len(got) == 2 {
			second = l.Data[1].ID
		}
		if l.Done {
			break
		}
		in.Iterator = string(l.Data[len(l.Data)-1].ID)
	}
	if !slices.IsSorted(want) || len(got) != len(want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	back := read(core.PageIn{Iterator: "-" + string(second)})
	if len(back.Data) != 1 || back.Data[0].Name != got[0] || !back.Done {
		t.Errorf("the page before the second: %+v", back)
	}
}
