package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/postrider/postrider/e2e/rig"
)

// scrape reads the metrics of a process as Prometheus does.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	response := rig.Must(rig.HTTPClient.Get(url + "/metrics"))(t)
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families := rig.Must(parser.TextToMetricFamilies(response.Body))(t)
	if response.StatusCode != http.StatusOK {
		t.Errorf("/metrics is answered %s", response.Status)
	}
	return families
}

// sample returns the value of a counter or gauge, or how many values a histogram has, of all series that have the
// given labels, as name="value".
func sample(families map[string]*dto.MetricFamily, name string, labels ...string) (sum float64) {
	for _, m := range families[name].GetMetric() {
		var has []string
		for _, l := range m.GetLabel() {
			has = append(has, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// documentedMetrics returns the names in the table of docs/operations.md.
func documentedMetrics(t *testing.T) (names []string) {
	t.Helper()
	text := rig.Must(os.ReadFile("../docs/operations.md"))(t)
	_, section, _ := strings.Cut(string(text), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		names = append(names, row[1])
	}
	return names
}

// TestMetricsCountWhatHappened sends messages by the API and by SQL, to an endpoint that works and one that does not.
func TestMetricsCountWhatHappened(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	p := rig.Start(t, rig.Settings(database, rig.OpsSetting, "POSTRIDER_RETRY_SCHEDULE="), "serve")
	c := p.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	works, fails := rig.NewReceiver(t, nil), rig.NewReceiver(t, rig.AnswerStatus(http.StatusBadGateway))
	works.NewEndpoint(t, c, app)
	fails.NewEndpoint(t, c, app)
	ids := append(c.SendMessages(t, app, 4), c.SendMessage(t, app))
	rig.Execute(t, database, fmt.Sprintf("SELECT postrider.message_send('%s', 'a', '{}', org_id => (SELECT org_id FROM postrider.application WHERE id = '%s'))", app, app))
	works.Await(t, ids...)
	c.Call(t, http.StatusNotFound, "GET", "/api/v1/app/none", "")
	c.Call(t, http.StatusCreated, "POST", "/api/v1/app", `{"name": "n", "uid": "twice"}`)
	c.Call(t, http.StatusConflict, "POST", "/api/v1/app", `{"name": "n", "uid": "twice"}`)
	url := p.OpsURL(t)
	want := []struct {
		name   string
		labels []string
		value  float64
	}{
		{"postrider_messages_accepted_total", []string{`source="api"`}, 5},
		{"postrider_messages_accepted_total", []string{`source="outbox"`}, 1},
		{"postrider_delivery_attempts_total", []string{`outcome="success"`, `status_class="2xx"`}, 6},
		{"postrider_delivery_attempts_total", []string{`outcome="failure"`, `status_class="5xx"`}, 6},
		{"postrider_delivery_duration_seconds", []string{`outcome="success"`}, 6},
		{"postrider_end_to_end_seconds", nil, 6},
		{"http_server_request_duration_seconds", []string{`http_route="/api/v1/app/{app_id}/msg"`, `http_response_status_code="202"`}, 1},
		{"http_server_request_duration_seconds", []string{`http_route="/api/v1/app/{app_id}"`, `http_response_status_code="404"`}, 1},
		{"db_client_operation_duration_seconds", []string{`db_operation_name="EndpointInsert"`}, 2},
		{"db_client_operation_errors_total", []string{`db_operation_name="ApplicationInsert"`}, 1},
		{"postrider_build_info", nil, 1},
		{"postrider_pool_connections_max", []string{`pool="main"`}, 10},
		{"postrider_pool_connections_max", []string{`pool="lists"`}, 2},
		{"postrider_endpoints", nil, 2}, // the state was read after the endpoints were made
	}
	rig.Await(t, func() string {
		families := scrape(t, url)
		for _, w := range want {
			if got := sample(families, w.name, w.labels...); got != w.value {
				return fmt.Sprintf("%s%v is %v, want %v; there are %v", w.name, w.labels, got, w.value, slices.Sorted(maps.Keys(families)))
			}
		}
		return ""
	})
	wantDocumented(t, scrape(t, url), app)
}

// wantDocumented compares the metrics of a process with the documentation, and their labels with what they must not
// tell.
func wantDocumented(t *testing.T, families map[string]*dto.MetricFamily, app string) {
	t.Helper()
	documented := documentedMetrics(t)
	if len(documented) < 9 {
		t.Errorf("the documentation lists %v", documented)
	}
	for _, name := range documented {
		if families[name] == nil {
			t.Errorf("%s is documented, and was not scraped", name)
		}
	}
	for name, family := range families {
		ours := slices.ContainsFunc([]string{"postrider_", "http_", "messaging_", "db_"}, func(p string) bool { return strings.HasPrefix(name, p) })
		if ours && !slices.Contains(documented, name) {
			t.Errorf("%s is not documented", name)
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), app) || strings.HasPrefix(l.GetValue(), "ep_") || strings.HasPrefix(l.GetValue(), "org_") {
					t.Errorf("%s has the label %s=%q of a tenant", name, l.GetName(), l.GetValue())
				}
			}
		}
	}
}

// TestMetricsOfEachComponentCanBeScraped scrapes each component in a process of its own.
func TestMetricsOfEachComponentCanBeScraped(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	for _, component := range []string{"api", "worker", "consume", "jobs"} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			p := rig.Start(t, rig.Settings(database, rig.OpsSetting), component)
			families := scrape(t, p.OpsURL(t))
			for _, name := range []string{"postrider_build_info", "postrider_clock_skew_seconds", "postrider_pool_connections", "go_goroutines", "process_resident_memory_bytes"} {
				if families[name] == nil {
					t.Errorf("%s is missing", name)
				}
			}
		})
	}
}
