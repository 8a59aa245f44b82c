package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/e2e/rig"
)

// observed is an installation of five processes that a Prometheus scrapes every second: each component apart, and a
// second API with one connection to its database.
type observed struct {
	*rig.Prometheus
	t        *testing.T // processes that a fault's own test starts again outlive it
	database string
	begin    time.Time
	client   rig.Client
	app      string
	status   atomic.Int32 // of the receiver's answers
	members  map[string]*observedProcess
	kafka    rig.Producer
	outbox   rig.Producer
}

// observedProcess is one process with its own way to the database. It keeps its address when it is started again.
type observedProcess struct {
	*rig.Process
	component, address string
	settings           []string
	way                rig.Proxy
}

func newObserved(t *testing.T) *observed {
	t.Helper()
	o := &observed{t: t, database: rig.NewDatabase(t), begin: time.Now(), members: map[string]*observedProcess{}}
	o.status.Store(http.StatusNoContent)
	org := "org_" + rig.Random()
	o.kafka, o.outbox = rig.NewKafka(t, org, o.database), rig.NewOutbox(t, org, o.database)
	o.add(t, "api", "api")
	o.add(t, "worker", "worker", rig.ShortLeases...)
	o.add(t, "consume", "consume", fmt.Sprintf(
		"POSTRIDER_SOURCES=sources: [{name: records, organization: %s, %s}, {name: rows, %s}]", org, o.kafka.Source, o.outbox.Source))
	o.add(t, "jobs", "jobs")
	o.add(t, "small", "api")
	for _, m := range o.members {
		m.start(t)
	}
	s := o.members["api"].Service(t)
	o.client = rig.NewClient(t, s.URL, s.NewToken(t, org))
	o.app = o.client.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) { w.WriteHeader(int(o.status.Load())) })
	receiver.NewEndpoint(t, o.client, o.app)
	rules, err := yaml.Marshal(o.hastened(t))
	rig.NoError(t, err)
	o.Prometheus = rig.NewPrometheus(t, o.config(t), map[string]string{"alerts.yml": string(rules)})
	o.sendAll(t)
	return o
}

func (o *observed) add(t *testing.T, name, component string, more ...string) {
	t.Helper()
	way := rig.NewProxy(t, rig.NewSilencer(t, o.database).Address)
	url := rig.URLAt(o.database, way.Listen)
	if name == "small" {
		url += "&pool_max_conns=1"
	}
	m := &observedProcess{component: component, address: fmt.Sprintf("127.0.0.1:%d", rig.FreePort(t)), way: way}
	m.settings = rig.Settings(url, append(more, "POSTRIDER_OPS_LISTEN="+m.address)...)
	o.members[name] = m
}

// start starts the process and returns when it is ready.
func (m *observedProcess) start(t *testing.T) {
	t.Helper()
	m.Process = rig.Start(t, m.settings, m.component)
	m.AwaitReady(t)
}

// config is the example, with the addresses of our processes and an interval of a second.
func (o *observed) config(t *testing.T) string {
	t.Helper()
	text := string(rig.Must(os.ReadFile(observability + "prometheus.yml"))(t))
	replace := func(old, with string) {
		if !strings.Contains(text, old) {
			t.Fatalf("prometheus.yml has no %s", old)
		}
		text = strings.ReplaceAll(text, old, with)
	}
	replace("_interval: 15s", "_interval: 1s")
	for name, m := range o.members {
		addresses := `"` + m.address + `"`
		if name == "small" {
			continue
		}
		if name == "api" {
			addresses += `, "` + o.members["small"].address + `"`
		}
		replace(`"`+name+`:9071"`, addresses)
		replace("{component: "+name+"}", "{component: "+name+", cell: e2e}")
	}
	return text
}

// inSeconds are ranges and steps of the rules, and what they are while the faults of the test last.
var inSeconds = strings.NewReplacer("[15m:1m]", "[8s:1s]", "[1h:1m]", "[10s:1s]", "[1h]", "[10s]", "[5m]", "[6s]", "[3m]", "[6s]")

// hastened returns the rules with short ranges, without `for`, and with the lower limits of the faults. The expressions
// are the same otherwise.
func (o *observed) hastened(t *testing.T) alertRules {
	t.Helper()
	rules := readAlerts(t)
	lowered := map[string][2]string{}
	for _, stage := range alertStages {
		for _, f := range stage.faults {
			maps.Copy(lowered, f.lowered)
		}
	}
	for g := range rules.Groups {
		for i := range rules.Groups[g].Rules {
			r := &rules.Groups[g].Rules[i]
			r.For = "1s"
			r.Expr = inSeconds.Replace(r.Expr)
			if left := regexp.MustCompile(`\[\d+[mh]|offset`).FindString(r.Expr); left != "" {
				t.Errorf("%s still looks back for %s", r.Alert, left)
			}
			limit, ok := lowered[r.Alert]
			if ok && strings.Count(r.Expr, limit[0]) != 1 {
				t.Errorf("%s has no limit %q, or several", r.Alert, limit[0])
			}
			if ok {
				r.Expr = strings.Replace(r.Expr, limit[0], limit[1], 1)
			}
		}
	}
	return rules
}

// sendAll sends messages from all sources until the test ends. Some are refused while there are faults.
func (o *observed) sendAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for n := 0; rig.Pause(ctx, 50*time.Millisecond) == nil; n++ {
			_, _ = o.client.Do(ctx, "POST", "/api/v1/app/"+o.app+"/msg", `{"eventType": "e2e.message", "payload": {}}`)
			if n%10 == 0 {
				_ = o.publish(ctx, o.kafka, o.app, n)
				_ = o.publish(ctx, o.outbox, o.app, n)
			}
		}
	}()
}

func (o *observed) publish(ctx context.Context, p rig.Producer, app string, n int) error {
	body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.message", "payload": {"n": %d}}`, app, n)
	return p.Produce(ctx, "group", fmt.Sprintf("%s-%d", app, n), body, nil)
}

// alertsOf returns the alerts of a query's result, with their sources or tables.
func alertsOf(series []rig.Series) map[string]bool {
	alerts := map[string]bool{}
	for _, s := range series {
		name := s.Metric["alertname"]
		for _, label := range []string{"source", "table"} {
			if s.Metric[label] != "" {
				name += "/" + s.Metric[label]
			}
		}
		alerts[name] = true
	}
	return alerts
}

const firing = `ALERTS{alertstate="firing"}`

// alertPoll spares Prometheus, which evaluates its rules once a second.
const alertPoll = 200 * time.Millisecond

// awaitQuiet waits until none of the alerts fires.
func (o *observed) awaitQuiet(t *testing.T, alerts []string) {
	t.Helper()
	rig.Await(t, func() string {
		_ = rig.Pause(t.Context(), alertPoll)
		now := alertsOf(rig.Must(o.Query(t.Context(), firing))(t))
		for _, a := range alerts {
			if now[a] {
				return a + " fires"
			}
		}
		return ""
	})
}

// TestAlertsFireAndEnd runs a real Prometheus with the rules, makes every fault that an alert tells of, and mends it. In
// the end all panels of the dashboard must have had data. What is told of the database and of brokers is up to 15
// seconds old, which is most of what the test waits for, so faults that don't disturb each other are made together.
//
// Not parallel: beside the whole suite, the six processes and Prometheus are too slow for alerts that look back for
// seconds, and slow down what else is measured.
//
//nolint:paralleltest // see above; the stages share the processes
func TestAlertsFireAndEnd(t *testing.T) {
	rig.SkipIfShort(t)
	rig.FindPrometheus(t)
	o := newObserved(t)
	rig.Await(t, func() string {
		up := rig.Must(o.Query(t.Context(), "up == 1"))(t)
		if len(up) != len(o.members) {
			return fmt.Sprintf("%d of %d targets are up", len(up), len(o.members))
		}
		for _, name := range []string{"postrider_endpoints", "postrider_dead_letters"} { // alerts compare with what was before
			if len(rig.Must(o.Query(t.Context(), name))(t)) == 0 {
				return "no process exports " + name
			}
		}
		return ""
	})
	for _, stage := range alertStages {
		t.Run(stage.name, func(t *testing.T) { o.fail(t, stage.faults) })
	}
	o.wantData(t)
}

// fail makes some faults, waits until each of their alerts has fired, mends the faults, and waits until none fires.
func (o *observed) fail(t *testing.T, faults []alertFault) {
	t.Helper()
	var alerts []string
	for _, f := range faults {
		alerts = append(alerts, f.alerts...)
	}
	o.awaitQuiet(t, alerts)
	began := time.Now().Add(time.Second) // seconds are the steps of the query
	var mends []func()
	for _, f := range faults {
		mend := sync.OnceFunc(f.begin(t, o))
		t.Cleanup(mend) // the other stages come later, whatever becomes of this one
		mends = append(mends, mend)
	}
	rig.Await(t, func() string {
		_ = rig.Pause(t.Context(), alertPoll)
		fired := alertsOf(rig.Must(o.QueryRange(t.Context(), firing, began))(t))
		silent := slices.DeleteFunc(slices.Clone(alerts), func(a string) bool { return fired[a] })
		if len(silent) > 0 {
			return fmt.Sprintf("%v have not fired, only %v", silent, slices.Sorted(maps.Keys(fired)))
		}
		return ""
	})
	for _, mend := range mends {
		mend()
	}
	o.awaitQuiet(t, alerts)
}

// TestAlertsHaveFaults looks for alerts that no fault makes fire.
func TestAlertsHaveFaults(t *testing.T) {
	t.Parallel()
	faulty := map[string]bool{}
	for _, stage := range alertStages {
		for _, f := range stage.faults {
			for _, a := range f.alerts {
				name, _, _ := strings.Cut(a, "/")
				faulty[name] = true
			}
		}
	}
	for _, group := range readAlerts(t).Groups {
		for _, r := range group.Rules {
			if !faulty[r.Alert] {
				t.Errorf("no fault makes %s fire", r.Alert)
			}
		}
	}
}

// wantData looks for the metrics and the data of each panel since the test began.
func (o *observed) wantData(t *testing.T) {
	t.Helper()
	for name, places := range usedMetrics(t) {
		if series := rig.Must(o.QueryRange(t.Context(), name, o.begin))(t); len(series) == 0 {
			t.Errorf("no process exports %s; it is used by %s", name, strings.Join(places, ", "))
		}
	}
	variables := strings.NewReplacer("$__rate_interval", "6s", "$cell", ".*", "$job", ".*", "$instance", ".*")
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			series, err := o.QueryRange(t.Context(), variables.Replace(target.Expr), o.begin)
			if err != nil || len(series) == 0 {
				t.Errorf("panel %q shows nothing: %v: %s", p.Title, err, target.Expr)
				continue
			}
			for _, label := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.ContainsFunc(series, func(s rig.Series) bool { return s.Metric[label[1]] != "" }) {
					t.Errorf("panel %q has no series with the label %s: %s", p.Title, label[1], target.Expr)
				}
			}
		}
	}
}

// openTransaction runs statements in a session of its own, and returns a function that ends the session.
func openTransaction(t *testing.T, database, statements string) (end func()) {
	t.Helper()
	conn := rig.Must(pgx.Connect(t.Context(), database))(t)
	end = func() { _ = conn.Close(context.WithoutCancel(t.Context())) }
	rig.Must(conn.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol))(t)
	return end
}
