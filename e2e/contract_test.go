package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// An operation is what the service's own contract says of one.
type operation struct {
	id, method, path string
	params           []string // what its path names, from the left
	takesBody        bool
	pages            bool // it takes an iterator
	org, app         bool // whose tokens it takes; neither, for those that need none
}

// watcher is an endpoint for operational webhooks.
const watcher = "watcher"

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// contract is all operations that the service says it has.
func (s service) contract(t testing.TB) []operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	newClient(t, s.url, "").call(t, http.StatusOK, http.MethodGet, "/api/v1/openapi.json", "").decode(t, &doc)
	var all []operation
	for path, methods := range doc.Paths {
		for method, described := range methods {
			if method != "parameters" {
				all = append(all, newOperation(t, strings.ToUpper(method), path, described))
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("the contract has no operation")
	}
	return all
}

func newOperation(t testing.TB, method, path string, described json.RawMessage) operation {
	t.Helper()
	var d struct {
		OperationID string
		RequestBody json.RawMessage
		Security    []map[string]any
		Parameters  []struct {
			Ref string `json:"$ref"`
		}
	}
	if err := json.Unmarshal(described, &d); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	op := operation{id: d.OperationID, method: method, path: path, takesBody: d.RequestBody != nil}
	for _, match := range pathParam.FindAllStringSubmatch(path, -1) {
		kind := match[1]
		if kind == "endpoint_id" && strings.HasPrefix(path, "/api/v1/operational-webhook/") {
			kind = watcher // the path calls two kinds of things alike
		}
		op.params = append(op.params, kind)
	}
	for _, scheme := range d.Security {
		op.org = op.org || scheme["organisationToken"] != nil
		op.app = op.app || scheme["applicationToken"] != nil
	}
	for _, p := range d.Parameters {
		op.pages = op.pages || strings.HasSuffix(p.Ref, "/iterator")
	}
	return op
}

// at is the operation's path with these names in it.
func (op operation) at(refs []string) string {
	return pathParam.ReplaceAllStringFunc(op.path, func(string) string {
		ref := refs[0]
		refs = refs[1:]
		return ref
	})
}

// serves tells whether a request is one for this operation.
func (op operation) serves(method, path string) bool {
	pattern := "^" + pathParam.ReplaceAllString(op.path, "[^/]+") + "$"
	return op.method == method && regexp.MustCompile(pattern).MatchString(path)
}
