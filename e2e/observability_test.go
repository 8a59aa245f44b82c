package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/e2e/rig"
)

const observability = "../deploy/observability/"

// alertRule is a rule of deploy/observability/alerts.yml.
type alertRule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type alertRules struct {
	Groups []struct {
		Name  string      `json:"name"`
		Rules []alertRule `json:"rules"`
	} `json:"groups"`
}

func readAlerts(t *testing.T) (rules alertRules) {
	t.Helper()
	text := rig.Must(os.ReadFile(observability + "alerts.yml"))(t)
	rig.NoError(t, yaml.UnmarshalStrict(text, &rules))
	return rules
}

// panel is a panel of deploy/observability/dashboard.json.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ H, W, X, Y int }
	Targets []struct{ RefID, Expr, LegendFormat string }
}

type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Definition string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	rig.NoError(t, json.Unmarshal(rig.Must(os.ReadFile(observability+"dashboard.json"))(t), &d))
	return d
}

var (
	promQuoted  = regexp.MustCompile(`"[^"]*"`)
	promMatcher = regexp.MustCompile(`\{[^}]*\}|\[[^]]*\]`)
	promLabels  = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	promName    = regexp.MustCompile(`\b([a-zA-Z_:][\w:]*)\b\s*(\(?)`)
	promKeyword = []string{"and", "or", "unless", "offset", "bool"}
)

// metricsOf returns the names of the metrics in an expression: what remains without matchers, lists of labels,
// functions and keywords. Whether it is an expression at all is for Prometheus to judge.
func metricsOf(expression string) []string {
	names := map[string]bool{}
	rest := promLabels.ReplaceAllString(promMatcher.ReplaceAllString(promQuoted.ReplaceAllString(expression, ""), ""), " ")
	for _, found := range promName.FindAllStringSubmatch(rest, -1) {
		if found[2] == "" && !slices.Contains(promKeyword, found[1]) {
			names[found[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func TestMetricsOfAnExpressionAreFound(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][]string{
		`up{job=~"a{2}"} == 0`: {"up"},
		"sum by (le, http_route) (rate(a_bucket{x=\"b\"}[5m]))\n/ on (job) group_left (v) max(c offset 1h) > 2e3": {"a_bucket", "c"},
		`(a or vector(0)) unless b`:                  {"a", "b"},
		"deriv((sum by (q) (max by(q) (d)))[1h:1m])": {"d"},
		"a\nand\nsum without (instance) (b) > 3 * 7": {"a", "b"},
	} {
		if got := metricsOf(expression); !slices.Equal(got, want) {
			t.Errorf("%s has the metrics %v, want %v", expression, got, want)
		}
	}
}

// used returns all metrics that alerts, panels and variables name, each with the places.
func usedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	used := map[string][]string{}
	add := func(place, expression string) {
		for _, name := range metricsOf(expression) {
			used[name] = append(used[name], place)
		}
	}
	for _, group := range readAlerts(t).Groups {
		for _, r := range group.Rules {
			add("alert "+r.Alert, r.Expr)
		}
	}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			add("panel "+p.Title, target.Expr)
		}
	}
	return used
}

// ofEveryProcess are metrics of the libraries for Go and for processes, which the documentation does not list, and of
// Prometheus.
var ofEveryProcess = regexp.MustCompile(`^(go|process)_|^up$|^ALERTS$`)

// TestAlertsAndPanelsNameDocumentedMetrics compares the names with the documentation, which other tests compare with
// processes. TestAlertsFireAndEnd also looks for each of them in a Prometheus.
func TestAlertsAndPanelsNameDocumentedMetrics(t *testing.T) {
	t.Parallel()
	documented := documentedMetrics(t)
	for name, places := range usedMetrics(t) {
		base := regexp.MustCompile("_(bucket|count|sum)$").ReplaceAllString(name, "")
		if !ofEveryProcess.MatchString(name) && !slices.Contains(documented, name) && !slices.Contains(documented, base) {
			t.Errorf("%s is not in the table of docs/operations.md; it is used by %s", name, strings.Join(places, ", "))
		}
	}
}

// TestAlertsHaveTextsAndARunbook also looks for each alert in the runbook, and for names there that are no alerts.
func TestAlertsHaveTextsAndARunbook(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, group := range readAlerts(t).Groups {
		for _, r := range group.Rules {
			names[r.Alert] = true
			if s := r.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			for _, name := range []string{"summary", "description"} {
				if r.Annotations[name] == "" {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			want := "https://github.com/postrider/postrider/blob/main/docs/runbook.md#" + strings.ToLower(r.Alert)
			if got := r.Annotations["runbook_url"]; got != want {
				t.Errorf("%s has the runbook_url %q, want %q", r.Alert, got, want)
			}
		}
	}
	runbook := string(rig.Must(os.ReadFile("../docs/runbook.md"))(t))
	var headings []string
	for _, h := range regexp.MustCompile("(?m)^#+ `?(Postrider[A-Z]\\w+)`?$").FindAllStringSubmatch(runbook, -1) {
		headings = append(headings, h[1])
	}
	slices.Sort(headings)
	if want := slices.Sorted(maps.Keys(names)); !slices.Equal(headings, want) {
		t.Errorf("docs/runbook.md has sections about %v, want %v", headings, want)
	}
	readme := string(rig.Must(os.ReadFile(observability + "README.md"))(t))
	for name := range names {
		if !strings.Contains(readme, "| `"+name+"` |") {
			t.Errorf("deploy/observability/README.md does not list %s", name)
		}
	}
}

// TestDashboardCanBeImported checks what Grafana would refuse or show in disorder.
func TestDashboardCanBeImported(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 38 || d.SchemaVersion > 39 { // of Grafana 10
		t.Errorf("the dashboard has the uid %q and the schema version %d", d.UID, d.SchemaVersion)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, "$"+v.Name)
	}
	variables = append(variables, "$__rate_interval")
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("there are two panels with the id %d", p.ID)
		}
		ids[p.ID] = true
		if !slices.Contains([]string{"row", "timeseries", "stat", "table"}, p.Type) {
			t.Errorf("panel %q is of type %s, which may need a plugin", p.Title, p.Type)
		}
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q has %d queries", p.Title, len(p.Targets))
		}
		for _, target := range p.Targets {
			for _, v := range regexp.MustCompile(`\$\w+`).FindAllString(target.Expr, -1) {
				if !slices.Contains(variables, v) {
					t.Errorf("panel %q uses %s, and there are only %v", p.Title, v, variables)
				}
			}
		}
		a := p.GridPos
		for _, other := range d.Panels[:i] {
			if b := other.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H || a.X+a.W > 24 {
				t.Errorf("panel %q overlaps %q", p.Title, other.Title)
			}
		}
	}
}
