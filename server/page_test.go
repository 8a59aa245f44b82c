package server

import (
	"slices"
	"testing"
)

// TestListsRefuseMalformedIterators calls every list of the contract: an iterator that no page has given is
// a 422, and not a page of something else.
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
				r.status, r.want = 200, nil // a name like others
			}
			f.call(t, op, r, f.token(t, "org_a"))
		}
	}
	if lists < 10 {
		t.Errorf("the contract has %d lists", lists)
	}
}
