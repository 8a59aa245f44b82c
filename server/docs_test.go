package server

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestDocsShowEveryOperationAndSchema(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	serveDocs(recorder, httptest.NewRequest(http.MethodGet, "/docs", nil))
	if got := recorder.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
	page := recorder.Body.String()
	for _, op := range operations(t) {
		for _, want := range []string{
			`<article id="` + op.OperationID + `">`, op.Path, op.Summary, template.HTMLEscapeString(curlExample(op)),
		} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not on the page", op.OperationID, want)
			}
		}
		for _, p := range op.Parameters {
			if !strings.Contains(page, "<code>"+p.Name+"</code>") {
				t.Errorf("%s: parameter %s is not on the page", op.OperationID, p.Name)
			}
		}
	}
	for name := range contract().Components.Schemas {
		if !strings.Contains(page, `<article id="schema-`+name+`">`) {
			t.Errorf("schema %s is not on the page", name)
		}
	}
}

// TestDocsHaveContentsOnNarrowScreens checks that a link shows the contents by making them the target of the page,
// and that no rule hides them permanently.
func TestDocsHaveContentsOnNarrowScreens(t *testing.T) {
	t.Parallel()
	_, narrow, _ := strings.Cut(string(docsPage()), "@media (max-width: 60rem) {")
	for _, want := range []string{".bar { display: flex;", "nav:target { display: block;", `<a href="#contents">`, `<nav id="contents"`} {
		if !strings.Contains(narrow, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

func TestDocsNeedNothingElse(t *testing.T) {
	t.Parallel()
	if found := regexp.MustCompile(`(?i)<script|<link|<img|\ssrc=|@import|url\(`).Find(docsPage()); found != nil {
		t.Errorf("the page loads something: %s", found)
	}
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	page := string(docsPage())
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) == 0 {
		t.Error("no link was checked")
	}
	for _, link := range links {
		anchor, internal := strings.CutPrefix(link[1], "#")
		if internal && strings.Count(page, `id="`+anchor+`"`) != 1 {
			t.Errorf("%s leads nowhere, or to two places", link[1])
		}
		if !internal && link[1] != "/api/v1/openapi.json" {
			t.Errorf("%s leads off the page", link[1])
		}
	}
}

func TestDocsEscapeDescriptions(t *testing.T) {
	t.Parallel()
	got := string(proseHTML("A <b> and `<i>`.\n\nNext."))
	if want := "<p>A &lt;b&gt; and <code>&lt;i&gt;</code>.</p><p>Next.</p>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
