package rig

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Operation is an operation of the API, as the service's OpenAPI contract describes it.
type Operation struct {
	ID, Method, Path string
	Params           []string // parameters of the path, from left to right
	TakesBody        bool
	Pages            bool // accepts an iterator
	Org, App         bool // whose tokens it accepts; neither if it needs none
}

// WatcherKind is the kind of operational-webhook endpoints.
const WatcherKind = "watcher"

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// Operations returns all operations in the service's contract.
func (s Service) Operations(t testing.TB) []Operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	NewClient(t, s.URL, "").Call(t, http.StatusOK, http.MethodGet, "/api/v1/openapi.json", "").Decode(t, &doc)
	var all []Operation
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

func newOperation(t testing.TB, method, path string, described json.RawMessage) Operation {
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
	op := Operation{ID: d.OperationID, Method: method, Path: path, TakesBody: d.RequestBody != nil}
	for _, match := range pathParam.FindAllStringSubmatch(path, -1) {
		kind := match[1]
		if kind == "endpoint_id" && strings.HasPrefix(path, "/api/v1/operational-webhook/") {
			kind = WatcherKind // two kinds of things have the same name in paths
		}
		op.Params = append(op.Params, kind)
	}
	for _, scheme := range d.Security {
		op.Org = op.Org || scheme["organisationToken"] != nil
		op.App = op.App || scheme["applicationToken"] != nil
	}
	for _, p := range d.Parameters {
		op.Pages = op.Pages || strings.HasSuffix(p.Ref, "/iterator")
	}
	return op
}

// At returns the operation's path with the given names filled in.
func (op Operation) At(refs []string) string {
	return pathParam.ReplaceAllStringFunc(op.Path, func(string) string {
		ref := refs[0]
		refs = refs[1:]
		return ref
	})
}

// Serves reports whether a request is for this operation.
func (op Operation) Serves(method, path string) bool {
	pattern := "^" + pathParam.ReplaceAllString(op.Path, "[^/]+") + "$"
	return op.Method == method && regexp.MustCompile(pattern).MatchString(path)
}

// Admits reports whether an operation accepts a bearer's kind of token.
func (op Operation) Admits(b Bearer) bool {
	return b.Org != "" && (op.Org && b.App == "" || op.App && b.App != "")
}

// Ends ranks an operation by how much it deletes or revokes.
func (op Operation) Ends() int {
	switch {
	case op.Method == http.MethodDelete, op.ID == "AuthExpireAll":
		return 2
	case strings.Contains(op.ID, "Expunge"), op.ID == "AuthLogout":
		return 1
	}
	return 0
}
