package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const importPath = "/api/v1/event-type/import/openapi"

// FuzzEventTypeImport imports any text as a document. The text must be imported or refused with a reason, and each
// imported event type must be one that could have been sent on its own. Seeds are in testdata.
func FuzzEventTypeImport(f *testing.F) {
	f.Fuzz(func(t *testing.T, document string) {
		fixture := newFixture(t)
		body, _ := json.Marshal(map[string]any{"specRaw": document, "replaceAll": strings.Contains(document, "all")})
		w := fixture.ask(t, "POST", importPath, string(body))
		if !slices.Contains([]int{200, 422}, w.Code) {
			t.Fatalf("%q is answered %d: %s", document, w.Code, w.Body)
		}
		if w.Code != 200 {
			if !strings.Contains(w.Body.String(), `"msg":"`) || strings.Contains(w.Body.String(), `"msg":""`) {
				t.Errorf("%q is refused without a reason: %s", document, w.Body)
			}
			return
		}
		for _, made := range fixture.store.types {
			if made.OrgID != "org_a" || !json.Valid([]byte(orNull(made.Schemas))) {
				t.Errorf("%q made %+v", document, made)
			}
			if made.Name == "." || made.Name == ".." {
				continue // valid names, but no path leads to them
			}
			again := fmt.Sprintf(`{"description":"","schemas":%s}`, orNull(made.Schemas))
			wantStatus(t, fixture.ask(t, "PUT", "/api/v1/event-type/"+made.Name, again), 200)
		}
		if w = fixture.ask(t, "POST", importPath, string(body)); w.Code != 200 {
			t.Errorf("%q is imported once and then answered %d: %s", document, w.Code, w.Body)
		}
	})
}

func orNull(text json.RawMessage) string {
	if text == nil {
		return "null"
	}
	return string(text)
}

func TestAnImportThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{
		`{"webhooks":{"a.made":{"post":{"description":"New"}},"b b":{"post":{}}}}`,
		`{"webhooks":{"a.made":{"post":{"description":"New"}},"b":{"post":{"description":"\u0000"}}}}`,
		`{"webhooks":{"a.made":{"post":{"description":"New"}},"b":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":1}}}}}}}}`,
	} {
		f := newFixture(t)
		before := f.store.of("org_a")
		wantStatus(t, f.ask(t, "POST", importPath, `{"replaceAll":true,"spec":`+spec+`}`), 422)
		if after := f.store.of("org_a"); after != before {
			t.Errorf("%s\nmade of %s\nthis    %s", spec, before, after)
		}
	}
}

func TestADryRunTellsAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.store.of("org_a")
	w := f.ask(t, "POST", importPath, `{"dryRun":true,"spec":{"webhooks":{"n":{"post":{"description":"D","x-svix-group-name":"g",
		"requestBody":{"content":{"application/json":{"schema":{"title":"T"}}}}}}}}}`)
	wantStatus(t, w, 200, `{"data":{"modified":[],"to_modify":[{"archived":false,"deprecated":false,"description":"D","featureFlag":null,`+
		`"groupName":"g","name":"n","schemas":{"1":{"title":"T"}}}]}}`)
	if after := f.store.of("org_a"); after != before {
		t.Errorf("it made of %s\nthis       %s", before, after)
	}
	wantStatus(t, f.ask(t, "POST", importPath, `{"dryRun":true,"spec":{"webhooks":{}}}`), 200, `{"data":{"modified":[],"to_modify":[]}}`)
}

func TestWhatAnApplicationTokenMayNotWriteIsNotEvenRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bearer := "Authorization: Bearer " + f.token(t, "one")
	for _, try := range []struct{ method, path, body string }{
		{"POST", importPath, `{"specRaw":"a: b: c"}`},
		{"POST", "/api/v1/event-type", `{"schemas":{"1":{"type":1}}}`},
		{"PUT", "/api/v1/event-type/a.made", `{"schemas":{"1":{"type":1}}}`},
		{"PATCH", "/api/v1/event-type/a.made", `{"schemas":{"1":{"type":1}}}`},
	} {
		wantStatus(t, f.send(try.method, try.path, try.body, bearer), 403, "insufficient access")
	}
}

func TestImportedEventTypesAreSeenByTheirFlags(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantStatus(t, f.ask(t, "POST", importPath, `{"specRaw":"webhooks: {open: {post: {}}, hidden: {post: {x-svix-feature-flags: [beta]}}}"}`), 200)
	get := func(name string, flags ...string) int {
		return f.send("GET", "/api/v1/event-type/"+name, "", "Authorization: Bearer "+f.token(t, "one", flags...)).Code
	}
	if get("open") != 200 || get("hidden") != 404 || get("hidden", "beta") != 200 {
		t.Errorf("open %d, hidden %d, hidden with the flag %d", get("open"), get("hidden"), get("hidden", "beta"))
	}
}

func TestAnImportReplacesAllOfItsOwnOrganisation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ours, theirs := f.store.of("org_a"), f.store.of("org_b")
	w := f.send("POST", importPath, `{"replaceAll":true,"spec":{"webhooks":{"a.made":{"post":{"description":"Theirs"}}}}}`,
		"Authorization: Bearer "+f.token(t, "org_b"))
	wantStatus(t, w, 200, `"modified":["a.made"]`)
	if f.store.of("org_a") != ours || f.store.of("org_b") == theirs {
		t.Errorf("org_a has %s\norg_b %s", f.store.of("org_a"), f.store.of("org_b"))
	}
}
