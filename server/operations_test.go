package server

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

// operationByID finds an operation of the contract by its id.
func operationByID(t *testing.T, id string) *operation {
	t.Helper()
	for _, op := range operations(t) {
		if op.OperationID == id {
			return op
		}
	}
	t.Fatalf("the contract has no operation %s", id)
	return nil
}

// named replaces the placeholders in a row's text with the fixture's ids.
func (f *fixture) named(text string) string {
	return strings.NewReplacer("{app}", string(f.ids.app), "{endpoint}", string(f.ids.endpoint),
		"{message}", string(f.ids.message), "{attempt}", string(f.ids.attempt), "{watcher}", string(f.ids.watcher)).Replace(text)
}

// call sends a row's request and checks that the answer is the one that the row expects and is allowed by the
// contract.
func (f *fixture) call(t *testing.T, op *operation, r row, token string) *httptest.ResponseRecorder {
	t.Helper()
	w := f.send(op.Method, "/api/v1"+f.named(r.path), f.named(r.body), "Authorization: Bearer "+token)
	for _, text := range r.want {
		if !strings.Contains(w.Body.String(), f.named(text)) {
			t.Errorf("body = %s, want it to hold %s", w.Body, f.named(text))
		}
	}
	if r.status != 0 && w.Code != r.status {
		t.Errorf("status = %d, want %d: %s", w.Code, r.status, w.Body)
	}
	wantContract(t, op, w)
	return w
}

func wantContract(t *testing.T, op *operation, w *httptest.ResponseRecorder) {
	t.Helper()
	answer := op.Responses[strconv.Itoa(w.Code)]
	if answer == nil {
		t.Errorf("%s answers %d, which the contract does not say", op.OperationID, w.Code)
		return
	}
	schema := answer.Content.JSON()
	if schema == nil {
		if w.Body.Len() > 0 {
			t.Errorf("body = %s, want none", w.Body)
		}
		return
	}
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("answer is not JSON: %q: %s", w.Header().Get("Content-Type"), w.Body)
	}
	for _, fault := range faults(schema, body, "body") {
		t.Errorf("%s %d: %s", op.OperationID, w.Code, fault)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for id, rows := range rows {
		for _, r := range rows {
			t.Run(id+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				op := operationByID(t, id)
				f := newFixture(t)
				f.call(t, op, r, f.token(t, bearer(op)))
				if line := f.logged.lines("request answered")[0]; r.status != 404 && line["route"] != op.Method+" "+op.Path {
					t.Errorf("%s %s went to %s", op.Method, r.path, line["route"])
				}
			})
		}
	}
}

// bearer returns whose token an operation accepts.
func bearer(op *operation) string {
	if accessText(op) == "Application token" {
		return "one"
	}
	return "org_a"
}

// A try is a row sent with some token to a store that may be broken.
type try struct {
	row
	token  string // whose token
	broken error
}

// TestOperationsAnswerErrors calls each operation with every error that any operation can have.
func TestOperationsAnswerErrors(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if len(op.Security) == 0 || rows[op.OperationID] == nil {
			continue
		}
		for _, try := range tries(op, rows[op.OperationID][0]) {
			t.Run(op.OperationID+"/"+try.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, func(p *parts) { p.BodyBytesMax = 1000 })
				f.store.broken = try.broken
				token := ""
				if try.token != "" {
					token = f.token(t, try.token)
				}
				w := f.call(t, op, try.row, token)
				if strings.Contains(w.Body.String(), "hidden") {
					t.Errorf("the client sees what is only for the log: %s", w.Body)
				}
				if failures := len(f.logged.lines("request failed")); failures != map[bool]int{true: 1}[try.broken != nil] {
					t.Errorf("logged %d times", failures)
				}
			})
		}
	}
}

// tries derives bad requests from a good one.
func tries(op *operation, good row) []try {
	with := func(name string, status int, want ...string) row {
		return row{name, good.path, good.body, status, want}
	}
	malformed := with("malformed query", 400, `"code":"generic_error"`)
	malformed.path += "?x=%zz"
	anonymous := with("no token", 401)
	anonymous.body = "not even JSON"
	all := []try{
		{row: malformed, token: bearer(op)},
		{row: anonymous},
		{row: with("defect", 500, `"code":"server_error"`, "Request id: "), token: bearer(op), broken: errors.New("hidden")},
		{row: with("database away", 503, `"code":"unavailable"`, "Request id: "), token: bearer(op),
			broken: &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Message: "hidden"}},
	}
	switch {
	case accessText(op) == "Organisation token":
		all = append(all, try{row: with("application token", 403, `"code":"insufficient access"`), token: "one"})
	case strings.Contains(op.Path, "{app_id}"):
		all = append(all, try{row: with("another application's token", 404), token: "two"})
		fallthrough
	default:
		good.name = "its application's token"
		all = append(all, try{row: good, token: "one"})
	}
	if op.RequestBody != nil {
		for _, r := range badBodies(good.body) {
			r.path = good.path
			all = append(all, try{row: r, token: "org_a"})
		}
	}
	return all
}

func badBodies(good string) []row {
	return []row{
		{"too long", "", `{"x":"` + strings.Repeat("x", 1000) + `"}`, 413, []string{`"code":"payload_too_large"`}},
		{"no JSON", "", `{"x":`, 422, []string{`"loc":["body"]`, "value_error.jsondecode"}},
		{"two values", "", good + `{}`, 422, []string{`"loc":["body"]`, "value_error.jsondecode"}},
		{"no object", "", `null`, 422, []string{`"loc":["body"]`, "must be a JSON object"}},
		{"no body", "", ``, 422, []string{`"loc":["body"]`}},
		{"not UTF-8", "", "{\"x\":\"\xff\"}", 422, []string{"UTF-8"}},
		{"NULs", "", `{"uid":"\u0000","key":"\u0000","name":"N","description":"\u0000","url":"https://n.example",
			"sessionId":"\u0000","sessionIds":["\u0000"],"specRaw":"\u0000"}`, 422, nil},
	}
}

// TestOperationsKeepOrganisationsApart checks that no data of org_a can be seen or changed with another
// organisation's token.
func TestOperationsKeepOrganisationsApart(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if len(op.Security) == 0 || rows[op.OperationID] == nil {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			before := f.store.of("org_a")
			r := rows[op.OperationID][0]
			r.status, r.want = 0, nil
			w := f.call(t, op, r, f.token(t, "org_b"))
			makes := op.OperationID == "ApplicationUpdate" || op.OperationID == "EventTypeUpdate" ||
				op.OperationID == "OperationalWebhookEndpointUpdate"
			if strings.Contains(op.Path, "{") && !makes && w.Code != http.StatusNotFound {
				t.Errorf("status = %d, want 404: %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "Ours") {
				t.Errorf("org_b sees %s", w.Body)
			}
			if after := f.store.of("org_a"); after != before {
				t.Errorf("org_b changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

// TestEveryAnswerOfTheContractIsTested fails if an operation or one of its answers has no row.
func TestEveryAnswerOfTheContractIsTested(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		tested := map[string]bool{}
		for _, r := range rows[op.OperationID] {
			tested[strconv.Itoa(r.status)] = true
		}
		for _, common := range []string{"400", "401", "403", "413", "415", "500", "503"} {
			tested[common] = true // by TestOperationsAnswerErrors and TestOperationsRefuseEncodedBodies; HealthGet's 500 has a test of its own
		}
		if op.OperationID == "EndpointSecretRotate" {
			tested["204"] = true // by TestEndpointSecretRotateAnswersWhatTheSDKReads
		}
		if slices.Contains([]string{"MessageExpungeAll", "StatsUsageApp", "StatsUsageEventTypes"}, op.OperationID) {
			tested["409"] = true // by TestTaskBeginsOnceItsTwinHasEnded
		}
		for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
			if !tested[status] {
				t.Errorf("%s: no row expects %s", op.OperationID, status)
			}
		}
		if all := rows[op.OperationID]; len(all) == 0 || all[0].status/100 != 2 {
			t.Errorf("%s: no first row that succeeds", op.OperationID)
		}
	}
}

func TestEndpointQuotaIsAConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(p *parts) { p.rules.EndpointsMost = 1 })
	const body = `{"url":"https://n.example/"}`
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/endpoint", body), 409, `"code":"too_many_endpoints"`)
	wantStatus(t, f.ask(t, "PUT", "/api/v1/app/one/endpoint/n", body), 409, "delete one first")
	wantStatus(t, f.ask(t, "PUT", "/api/v1/app/one/endpoint/hook", body), 200)
	wantStatus(t, f.ask(t, "POST", "/api/v1/operational-webhook/endpoint", body), 409, `"code":"too_many_endpoints"`)
}
