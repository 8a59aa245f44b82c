package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/postrider/postrider/e2e/rig"
)

// stateMetrics are exported by one process at a time, whatever it is that the database holds.
var stateMetrics = []string{
	"postrider_deliveries_owed", "postrider_oldest_due_age_seconds", "postrider_endpoints", "postrider_outbox_rows", "postrider_dead_letters",
	"postrider_xmin_age_seconds", "postrider_partitions_ahead_seconds",
}

// showsState returns how many of the metrics of the state a process exports.
func showsState(t *testing.T, url string) (n int) {
	t.Helper()
	families := scrape(t, url)
	for _, name := range stateMetrics {
		if families[name] != nil {
			n++
		}
	}
	return n
}

// awaitSamples waits until all samples of a process are as they should be.
func awaitSamples(t *testing.T, url string, wrong func(map[string]*dto.MetricFamily) string) {
	t.Helper()
	rig.Await(t, func() string { return wrong(scrape(t, url)) })
}

// TestStateMetricsFollowTheDatabase runs the jobs alone, so that nothing changes but what the test does.
func TestStateMetricsFollowTheDatabase(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	for range 4 {
		receiver.NewEndpoint(t, c, app)
	}
	c.SendMessage(t, app)
	rig.Execute(t, database,
		"UPDATE delivery SET due_at = now() - interval '1 hour', state = 'waiting'",
		"UPDATE endpoint SET failing_since = now() WHERE id = (SELECT min(id) FROM endpoint)",
		"UPDATE endpoint SET disabled = true WHERE id = (SELECT max(id) FROM endpoint)",
		"INSERT INTO outbox (application, event_type, payload) SELECT 'a', 'a', '{}' FROM generate_series(1, 3)",
		"INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at) VALUES (1, 'org_a', 'a', 'a', '{}', now(), '', now())",
	)
	url := rig.Start(t, rig.Settings(database, rig.OpsSetting), "jobs").OpsURL(t)
	awaitSamples(t, url, func(families map[string]*dto.MetricFamily) string {
		for _, want := range []struct {
			name, label string
			least, most float64
		}{
			{"postrider_deliveries_owed", `queue="first"`, 4, 4},
			{"postrider_deliveries_owed", `queue="retry"`, 0, 0},
			{"postrider_oldest_due_age_seconds", "", 3600, 4000},
			{"postrider_endpoints", `state="enabled"`, 2, 2},
			{"postrider_endpoints", `state="failing"`, 1, 1},
			{"postrider_endpoints", `state="paused"`, 0, 0},
			{"postrider_endpoints", `state="disabled"`, 1, 1},
			{"postrider_outbox_rows", "", 3, 3},
			{"postrider_dead_letters", `source="outbox"`, 1, 1},
			{"postrider_partitions_ahead_seconds", `table="message"`, 28 * 86_400, 42 * 86_400},
			{"postrider_partitions_ahead_seconds", `table="attempt"`, 28 * 86_400, 42 * 86_400},
			{"postrider_xmin_age_seconds", "", 0, 10},
		} {
			var labels []string
			if want.label != "" {
				labels = []string{want.label}
			}
			if got := sample(families, want.name, labels...); families[want.name] == nil || got < want.least || got > want.most {
				return fmt.Sprintf("%s{%s} is %v, want %v to %v; there are %v", want.name, want.label, got, want.least, want.most, slices.Sorted(maps.Keys(families)))
			}
		}
		return ""
	})
	rig.Hold(t, database, rig.SnapshotHeld)
	rig.Execute(t, database, "DELETE FROM delivery", "DELETE FROM outbox")
	awaitSamples(t, url, func(families map[string]*dto.MetricFamily) string {
		owed, due := sample(families, "postrider_deliveries_owed"), sample(families, "postrider_oldest_due_age_seconds")
		rows, held := sample(families, "postrider_outbox_rows"), sample(families, "postrider_xmin_age_seconds")
		if owed != 0 || due != 0 || rows != 0 || held < 10 {
			return fmt.Sprintf("%v deliveries owed, due for %v s, %v rows in the outbox, a snapshot held for %v s", owed, due, rows, held)
		}
		return ""
	})
}

// TestStateIsExportedByOneProcess stops the process that exports, and kills the next one.
func TestStateIsExportedByOneProcess(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	start := func() (*rig.Process, string) {
		p := rig.Start(t, rig.Settings(database, rig.OpsSetting), "jobs")
		url := p.OpsURL(t)
		return p, url
	}
	await := func(url string) {
		t.Helper()
		rig.Await(t, func() string {
			if n := showsState(t, url); n != len(stateMetrics) {
				return fmt.Sprintf("%d of %d metrics", n, len(stateMetrics))
			}
			return ""
		})
	}
	first, firstURL := start()
	await(firstURL)
	second, secondURL := start()
	if n := showsState(t, secondURL); n != 0 {
		t.Errorf("a second process exports %d metrics of the state", n)
	}
	first.Stop(t)
	await(secondURL)
	_, thirdURL := start()
	if n := showsState(t, thirdURL); n != 0 {
		t.Errorf("a third process exports %d metrics of the state", n)
	}
	second.Kill()
	await(thirdURL)
}

// TestStateIsNotExportedWhileItCannotBeRead locks a table, so that what is in it is not known.
func TestStateIsNotExportedWhileItCannotBeRead(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	p := rig.Start(t, rig.Settings(database, rig.OpsSetting), "jobs")
	url := p.OpsURL(t)
	awaitSamples(t, url, func(families map[string]*dto.MetricFamily) string {
		if families["postrider_deliveries_owed"] == nil {
			return "nothing is exported"
		}
		return ""
	})
	rig.Hold(t, database, "BEGIN; LOCK TABLE outbox_dead_letter IN ACCESS EXCLUSIVE MODE")
	awaitSamples(t, url, func(families map[string]*dto.MetricFamily) string {
		if families["postrider_dead_letters"] != nil || families["postrider_deliveries_owed"] == nil {
			return "what cannot be read is still exported, or nothing else is"
		}
		return ""
	})
	if n, _ := p.CountEvents("state not read; metrics missing"); n != 1 || !strings.Contains(p.Stdout.String(), "57014") {
		t.Errorf("logged %d times", n)
	}
	if response := rig.Must(rig.HTTPClient.Get(url + "/readyz"))(t); response.StatusCode != http.StatusOK {
		t.Errorf("not ready: %s", response.Status)
	} else {
		_ = response.Body.Close()
	}
}
