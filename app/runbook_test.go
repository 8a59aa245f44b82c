package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	runbookPage    = "../docs/runbook.md"
	monitoringPage = "../docs/monitoring.md"
)

// runbookSections returns the runbook's sections by their headings.
func runbookSections(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string]string{}
	for _, section := range strings.Split(readDoc(t, runbookPage), "\n## ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = text
	}
	return sections
}

// TestRunbookHasASectionForEachAlert also checks that each alert links to its own, and that no section is left of an
// alert that is gone.
func TestRunbookHasASectionForEachAlert(t *testing.T) {
	t.Parallel()
	rules := readDoc(t, "../deploy/observability/alerts.yml")
	sections, alerts := runbookSections(t), map[string]bool{}
	begin := regexp.MustCompile(`(?m)^ *- alert: *(\w+) *$`)
	found := begin.FindAllStringSubmatchIndex(rules, -1)
	for n, at := range found {
		name, end := rules[at[2]:at[3]], len(rules)
		if n+1 < len(found) {
			end = found[n+1][0]
		}
		alerts[name] = true
		if _, ok := sections[name]; !ok {
			t.Errorf("the runbook has no section %s", name)
		}
		if link := "/docs/runbook.md#" + strings.ToLower(name) + "\n"; !strings.Contains(rules[at[0]:end], link) {
			t.Errorf("an alert %s does not link to its section", name)
		}
	}
	if len(alerts) == 0 {
		t.Error("the rules have no alerts")
	}
	for name := range sections {
		if !alerts[name] {
			t.Errorf("the runbook has a section %s, and the rules have no such alert", name)
		}
	}
}

// TestRunbookSectionsAnswerTheSameQuestions keeps the order in which somebody who was woken looks for them.
func TestRunbookSectionsAnswerTheSameQuestions(t *testing.T) {
	t.Parallel()
	want := []string{"For customers:", "Causes:", "Look:", "Do:", "Ends"}
	label := regexp.MustCompile(`(?m)^\*\*([^*]+)\*\*`)
	for name, text := range runbookSections(t) {
		var got []string
		for _, found := range label.FindAllStringSubmatch(text, -1) {
			got = append(got, found[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
}

// TestRunbookNamesWhatExists checks operations of the API, commands and events of the log.
func TestRunbookNamesWhatExists(t *testing.T) {
	t.Parallel()
	var help, errors strings.Builder
	if code := Main(t.Context(), []string{"--help"}, &help, &errors); code != 0 {
		t.Fatalf("--help exits with %d: %s", code, errors.String())
	}
	contract, source := readDoc(t, "../server/openapi.yaml"), sourceText(t)
	for _, page := range []string{runbookPage, monitoringPage} {
		text := readDoc(t, page)
		for _, call := range regexp.MustCompile("`(GET|POST|PUT|PATCH|DELETE) (/api[^ `]*)`").FindAllStringSubmatch(text, -1) {
			if !hasOperation(contract, call[1], call[2]) {
				t.Errorf("%s names %s %s, which the API does not have", page, call[1], call[2])
			}
		}
		for _, command := range regexp.MustCompile("`postrider ((?:migrate |token )?[a-z]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(help.String(), "\n  "+command[1]+" ") {
				t.Errorf("%s names the command %q, which does not exist", page, command[1])
			}
		}
		for _, event := range regexp.MustCompile("`([a-z]+ [a-z ]+; [a-z ]+)`").FindAllStringSubmatch(text, -1) {
			step, composed, _ := strings.Cut(event[1], " ")
			ofStep := slices.Contains([]string{"receive", "store", "settle"}, step) && strings.Contains(source, `step+" `+composed+`"`)
			if !ofStep && !strings.Contains(source, `"`+event[1]+`"`) {
				t.Errorf("%s quotes the event %q, which nothing logs", page, event[1])
			}
		}
	}
}

// hasOperation reports whether the contract has an operation.
func hasOperation(contract, method, path string) bool {
	_, rest, found := strings.Cut(contract, "\n  "+path+":\n")
	operations, _, _ := strings.Cut(rest, "\n  /")
	return found && strings.Contains("\n"+operations, "\n    "+strings.ToLower(method)+":\n")
}

// sourceText returns the Go source of the service, without tests.
func sourceText(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, dir := range []string{"app", "delivery", "ingest", "jobs", "server", "store", "telemetry"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			part, err := os.ReadFile(path)
			text.Write(part)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// TestMonitoringExamplesAreYAML finds a slip of indentation and a key that occurs twice.
func TestMonitoringExamplesAreYAML(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readDoc(t, monitoringPage), -1)
	if len(blocks) != 2 {
		t.Errorf("%d examples, want those for Prometheus and for the collector", len(blocks))
	}
	for _, block := range blocks {
		var example map[string]any
		if err := yaml.UnmarshalStrict([]byte(block[1]), &example); err != nil || len(example) == 0 {
			t.Errorf("%v: %s", err, block[1])
		}
	}
}
