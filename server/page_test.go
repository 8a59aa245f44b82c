package server

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestListsRefuseMalformedIterators calls every list of the contract. An iterator that no page returned must get a
// 422, not a page of something else.
func TestListsRefuseMalformedIterators(t *testing.T) {
	t.Parallel()
	lists := 0
	for _, op := range operations(t) {
		if !slices.ContainsFunc(op.Parameters, func(p *parameter) bool { return p.Name == "iterator" }) {
			continue
		}
		lists++
		for _, iterator := range []string{"BAD-$$$ITERATOR", "-", "-BAD-$$$ITERATOR", "app_", "org_zzzzzzzzzzzzzzzzzzzzzzzzzzz$"} {
			f := newFixture(t)
			r := row{path: rows[op.OperationID][0].path + "?iterator=" + iterator, status: 422, want: []string{`"loc":["query","iterator"]`}}
			if iterator == "app_" && op.OperationID == "EventTypeList" {
				r.status, r.want = 200, nil // a valid name
			}
			f.call(t, op, r, f.token(t, "org_a"))
		}
	}
	if lists < 10 {
		t.Errorf("the contract has %d lists", lists)
	}
}

// A filtered list looks at a limited number of applications for a page. A page that ends early must have an iterator
// to continue.
func TestPageThatEndsEarlyLeadsOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.endpoints = nil
	for n := range 3000 {
		id := core.NewAppID(testNow.Add(time.Duration(n) * time.Second))
		f.store.apps = append(f.store.apps, core.Application{OrgID: "org_a", ID: id, Name: "N", Metadata: core.Metadata{}, CreatedAt: testNow, UpdatedAt: testNow})
	}
	op := operationByID(t, "ApplicationList")
	token := f.token(t, "org_a")
	get := func(path string) (page ListResponseApplicationOut) {
		t.Helper()
		w := f.call(t, op, row{path: path, status: 200}, token)
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		return page
	}
	first := get("/app?exclude_apps_with_no_endpoints=true")
	if len(first.Data) != 0 || first.Done || first.Iterator == nil || first.PrevIterator != nil {
		t.Fatalf("the first page is %+v", first)
	}
	last := get("/app?exclude_apps_with_no_endpoints=true&iterator=" + *first.Iterator)
	if len(last.Data) != 0 || !last.Done || last.Iterator != nil {
		t.Errorf("the last page is %+v", last)
	}
	back := get("/app?exclude_apps_with_no_endpoints=true&iterator=-" + string(f.store.apps[len(f.store.apps)-1].ID))
	if len(back.Data) != 0 || back.Done || back.PrevIterator == nil || !strings.HasPrefix(*back.PrevIterator, "-app_") {
		t.Errorf("back from the last comes %+v", back)
	}
}
