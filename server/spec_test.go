package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// operations returns every operation of the contract.
func operations(t *testing.T) []*operation {
	t.Helper()
	var all []*operation
	for _, item := range contract().Paths {
		for _, op := range item.operations() {
			all = append(all, op)
		}
	}
	if len(all) == 0 {
		t.Fatal("the contract has no operations")
	}
	return all
}

func TestContractIsServedAsJSON(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	serveContract(recorder, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
	if got := recorder.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want exactly application/json", got)
	}
	var doc struct{ OpenAPI string }
	if err := json.Unmarshal(recorder.Body.Bytes(), &doc); err != nil || doc.OpenAPI != "3.0.3" {
		t.Errorf("openapi = %q, %v; want 3.0.3", doc.OpenAPI, err)
	}
}

func TestContractReferencesResolve(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal(contractJSON(), &doc); err != nil {
		t.Fatal(err)
	}
	resolves := func(ref string) bool {
		at := doc
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			object, _ := at.(map[string]any)
			at = object[step]
		}
		return at != nil
	}
	seen := 0
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			if ref, is := node["$ref"].(string); is {
				seen++
				if !strings.HasPrefix(ref, "#/components/") || !resolves(ref) {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, child := range node {
				walk(child)
			}
		case []any:
			for _, child := range node {
				walk(child)
			}
		}
	}
	walk(doc)
	if seen == 0 {
		t.Error("no reference was checked")
	}
}

func TestContractOperationsAreComplete(t *testing.T) {
	t.Parallel()
	var tags []string
	for _, tag := range contract().Tags {
		tags = append(tags, tag.Name)
	}
	pascalCase := regexp.MustCompile(`^([A-Z][a-z]+){2,}$`)
	pathParameter := regexp.MustCompile(`\{(\w+)\}`)
	for _, op := range operations(t) {
		where := op.Method + " " + op.Path
		if !pascalCase.MatchString(op.OperationID) {
			t.Errorf("%s: operationId %q is not a noun and a verb in PascalCase", where, op.OperationID)
		}
		if len(op.Tags) != 1 || !slices.Contains(tags, op.Tags[0]) {
			t.Errorf("%s: tags = %q, want one of %q", where, op.Tags, tags)
		}
		if op.Summary == "" || op.Security == nil {
			t.Errorf("%s: summary or security is missing", where)
		}
		success := false
		for status, response := range op.Responses {
			success = success || status[0] == '2'
			if response.Description == "" {
				t.Errorf("%s: %s has no description", where, status)
			}
		}
		if !success {
			t.Errorf("%s: no 2xx response", where)
		}
		for _, match := range pathParameter.FindAllStringSubmatch(op.Path, -1) {
			if !slices.ContainsFunc(op.Parameters, func(p *parameter) bool { return p.In == "path" && p.Name == match[1] }) {
				t.Errorf("%s: {%s} is not declared", where, match[1])
			}
		}
	}
}

// TestContractErrorsFit checks that each operation's list of errors matches the input that it takes.
func TestContractErrorsFit(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		takesToken := len(op.Security) > 0
		takesQuery := slices.ContainsFunc(op.Parameters, func(p *parameter) bool { return p.In == "query" })
		want := map[string]bool{
			"400": takesToken,
			"401": takesToken,
			"403": takesToken && accessText(op) != "Application token", // also for an application's token, which may lack the capability
			"413": op.RequestBody != nil,
			"422": op.RequestBody != nil || takesQuery,
			"500": takesToken || op.OperationID == "HealthGet", // HealthGet answers 500 deliberately, to report its status
			"503": takesToken,
		}
		for status, wanted := range want {
			if _, found := op.Responses[status]; found != wanted {
				t.Errorf("%s: answers %s: %t, want %t", op.OperationID, status, found, wanted)
			}
		}
	}
}

func TestGeneratedCodeHasTheContractsOperations(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, op := range operations(t) {
		want = append(want, op.OperationID)
	}
	for method := range reflect.TypeFor[StrictServerInterface]().Methods() {
		got = append(got, method.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("generated from another contract; run make generate\ncontract:  %q\ngenerated: %q", want, got)
	}
}
