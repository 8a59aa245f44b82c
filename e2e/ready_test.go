package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestReadinessFollowsTheDatabase first makes the database read-only, and then takes it away entirely.
func TestReadinessFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	role, database := roleOfDatabase(t)
	p := rig.Start(t, rig.Settings(database, rig.OpsSetting), "serve")
	c, url := p.Service(t).NewTenant(t), p.OpsURL(t)
	app := c.NewApplication(t)
	const ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	for _, trouble := range []struct { //nolint:paralleltest // Each takes the database of the same process.
		cause       string
		begin, over string
	}{
		{"25006", "ALTER ROLE %[1]s SET default_transaction_read_only = on", "ALTER ROLE %[1]s RESET default_transaction_read_only"},
		{refusedLogin(), "ALTER ROLE %[1]s NOLOGIN", "ALTER ROLE %[1]s LOGIN"},
	} {
		t.Run(trouble.cause, func(t *testing.T) {
			rig.AwaitProbe(t, url+"/readyz", http.StatusOK, `"ok"`)
			administerAll(t, role, []string{trouble.begin, ended})
			rig.AwaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, trouble.cause)
			answer := c.Call(t, http.StatusServiceUnavailable, "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
			if answer.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if got, err := rig.Probe(t.Context(), url+"/livez"); err != nil || got.Status != http.StatusOK {
				t.Errorf("/livez: %d, %v", got.Status, err)
			}
			got := rig.Must(rig.Probe(t.Context(), url+"/readyz"))(t)
			if host := rig.MustParseURL(database).Host; host != "" && strings.Contains(string(got.Body), host) || strings.Contains(string(got.Body), role) {
				t.Errorf("it says too much: %s", got.Body)
			}
			administerAll(t, role, []string{trouble.over, ended})
		})
	}
	rig.AwaitProbe(t, url+"/readyz", http.StatusOK, `"ok"`)
	c.SendMessage(t, app)
}

// refusedLogin returns the SQLSTATE of a login that Postgres refuses. PgBouncer says only that it cannot log in.
func refusedLogin() string {
	if rig.UsedPooling() != rig.NoPooling {
		return "08P01"
	}
	return "28000"
}

// TestReadinessBeginsWithTheParts starts a process that has to wait for its database.
func TestReadinessBeginsWithTheParts(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	for _, component := range []string{"serve", "worker"} {
		p := rig.Start(t, rig.Settings("postgres://nobody@127.0.0.1:1/none", "POSTRIDER_OPS_LISTEN="+address), component)
		rig.AwaitProbe(t, "http://"+address+"/livez", http.StatusOK, `"ok"`)
		rig.AwaitProbe(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "starting")
		rig.AwaitProbe(t, "http://"+address+"/metrics", http.StatusServiceUnavailable, "starting")
		got := rig.Command(t, []string{"POSTRIDER_OPS_LISTEN=" + address}, "healthcheck")
		if got.Code != 1 || !strings.Contains(got.Stderr, "starting") {
			t.Errorf("healthcheck: %+v", got)
		}
		p.Kill()
	}
	if got := rig.Command(t, []string{"POSTRIDER_OPS_LISTEN=" + address}, "healthcheck"); got.Code != 1 {
		t.Errorf("healthcheck of nothing: %+v", got)
	}
}

func TestHealthcheckAsksTheProcessOfTheSameSettings(t *testing.T) {
	t.Parallel()
	port := freeAddress(t)
	_, port, _ = net.SplitHostPort(port)
	p, _ := rig.Serve(t, "POSTRIDER_OPS_LISTEN=0.0.0.0:"+port)
	if got := rig.Command(t, p.Settings(), "healthcheck"); got.Code != 0 || !strings.Contains(got.Stdout, "ok") {
		t.Errorf("%+v", got)
	}
}

// freeAddress returns an address that nothing listens on and that the system will not hand out again soon.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener := rig.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	return listener.Addr().String()
}

// TestOpsAddressInUseIsAnErrorIfConfigured also checks that the default address in use causes only a warning.
func TestOpsAddressInUseIsAnErrorIfConfigured(t *testing.T) {
	t.Parallel()
	taken := rig.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	got := rig.Command(t, rig.Settings(rig.NewDatabase(t), "POSTRIDER_OPS_LISTEN="+taken.Addr().String()), "worker")
	if got.Code != 1 || !strings.Contains(got.Stderr, "pass --ops-listen") {
		t.Errorf("%+v", got)
	}
	if other, err := net.Listen("tcp", "127.0.0.1:9071"); err == nil { // otherwise the address is already in use
		defer other.Close()
	}
	p := rig.Start(t, rig.Settings(rig.NewDatabase(t), "POSTRIDER_OPS_LISTEN=127.0.0.1:9071"), "worker") // the default address
	p.AwaitReady(t)
	if n, _ := p.CountEvents("health checks disabled; the default address is in use"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

// TestReadinessFollowsRoleAndSchema takes a privilege away from running processes, and then a migration.
func TestReadinessFollowsRoleAndSchema(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t) // processes look every 15 s
	cell := newCell(t)
	var urls []string
	for _, component := range []string{"api", "worker", "consume", "jobs", "serve"} {
		p := rig.Start(t, cell.settings("app", "POSTRIDER_MIGRATE=false", rig.OpsSetting), component)
		urls = append(urls, p.OpsURL(t))
	}
	await := func(status int, text string) {
		t.Helper()
		for _, url := range urls {
			rig.AwaitProbe(t, url+"/readyz", status, text)
		}
	}
	await(http.StatusOK, `"ok"`)
	rig.Execute(t, cell.database, fmt.Sprintf("REVOKE UPDATE ON %s.endpoint FROM %[1]s_app", cell.schema))
	await(http.StatusServiceUnavailable, `"role","cause":"1 privilege missing"`)
	for _, url := range urls {
		if got, err := rig.Probe(t.Context(), url+"/livez"); err != nil || got.Status != http.StatusOK {
			t.Errorf("/livez: %d, %v", got.Status, err)
		}
	}
	if got := rig.Command(t, cell.settings("owner"), "migrate", "down"); got.Code != 0 {
		t.Fatalf("migrate down: %s", got.Stderr)
	}
	cell.runRoles(t) // grants the privilege
	await(http.StatusServiceUnavailable, `"schema","cause":"1 migration behind"`)
	if got := rig.Command(t, cell.settings("owner"), "migrate", "up"); got.Code != 0 {
		t.Fatalf("migrate up: %s", got.Stderr)
	}
	cell.runRoles(t)
	await(http.StatusOK, `"ok"`)
}
