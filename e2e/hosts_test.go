package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// hostsURL returns the URL of a database at several addresses that selects the server that accepts writes.
func hostsURL(database string, addresses ...string) string {
	u := rig.MustParseURL(database)
	u.Host = strings.Join(addresses, ",")
	u.RawQuery = "sslmode=disable&target_session_attrs=read-write"
	return u.String()
}

// keywordsOf returns the same URL as a keyword/value string.
func keywordsOf(t testing.TB, database string) string {
	t.Helper()
	u := rig.MustParseURL(database)
	var names, ports []string
	for address := range strings.SplitSeq(u.Host, ",") {
		name, port, _ := strings.Cut(address, ":")
		names, ports = append(names, name), append(ports, port)
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=%s sslmode=disable target_session_attrs=read-write",
		strings.Join(names, ","), strings.Join(ports, ","), u.User.Username(), password, strings.TrimPrefix(u.Path, "/"))
}

// TestDatabaseURLWithSeveralHostsFindsPrimary lists a server that is down and one that refuses writes before the
// primary.
func TestDatabaseURLWithSeveralHostsFindsPrimary(t *testing.T) {
	t.Parallel()
	standby, primary := rig.NewBreakable(t), rig.NewBreakable(t)
	standbyURL, primaryURL := rig.Must(standby.URL(t.Context()))(t), rig.Must(primary.URL(t.Context()))(t)
	rig.Execute(t, standbyURL, "ALTER SYSTEM SET default_transaction_read_only = on")
	rig.Execute(t, standbyURL, "SELECT pg_reload_conf()")
	byURL := hostsURL(primaryURL, "127.0.0.1:1", rig.Bridge(t, standby), rig.Bridge(t, primary))
	for _, database := range []string{byURL, keywordsOf(t, byURL)} {
		if got := marks(t, database, "migrate", "up"); strings.Contains(got, " ") {
			t.Fatalf("the status is %q, want all applied", got)
		}
		marks(t, database, "migrate", "status")
		for _, args := range [][]string{{"secrets", "status"}, {"token", "revoke", "--all", "org_of_nobody"}} {
			if got := rig.Command(t, rig.Settings(database), args...); got.Code != 0 {
				t.Errorf("%v: %+v", args, got)
			}
		}
		api := rig.Start(t, rig.Settings(database), "api").Service(t)
		for _, part := range []string{"worker", "jobs", "consume"} {
			rig.Start(t, rig.Settings(database), part).AwaitReady(t)
		}
		c, r := api.NewTenant(t), rig.NewReceiver(t, nil)
		app := c.NewApplication(t)
		r.NewEndpoint(t, c, app)
		r.Await(t, c.SendMessage(t, app))
		c.Call(t, 200, "GET", "/api/v1/health", "")
	}
	listening := 0
	rig.Query(t, primaryURL, "SELECT count(*) FROM pg_stat_activity WHERE query ~* '(^|\\n)listen '", &listening)
	if listening == 0 {
		t.Error("no worker listens at the server that takes writes")
	}
}

// newStandby returns a standby that follows another server and starts with a copy of its data. Both must run on this
// machine.
func newStandby(t testing.TB, of *rig.LocalPostgres) *rig.LocalPostgres {
	t.Helper()
	rig.NoError(t, of.Stop(t.Context(), rig.Fast))
	dir := rig.Must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	rig.NoError(t, os.Chmod(dir, 0o755))
	standby := &rig.LocalPostgres{Dir: filepath.Join(dir, "server")}
	t.Cleanup(func() {
		if standby.Server != nil {
			rig.NoError(t, standby.Stop(t.Context(), rig.Fast))
		}
		rig.NoError(t, os.RemoveAll(dir))
	})
	if output, err := exec.CommandContext(t.Context(), "cp", "-a", of.Dir, standby.Dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	rig.NoError(t, of.Start(t.Context()))
	data, u := filepath.Join(standby.Dir, "data"), rig.MustParseURL(of.Address)
	settings := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=%s'\n", u.Query().Get("host"), u.Query().Get("port"), u.User.Username())
	file := rig.Must(os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0))(t)
	rig.Must(file.WriteString(settings))(t)
	rig.NoError(t, file.Close())
	rig.NoError(t, os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644))
	rig.NoError(t, standby.Start(t.Context()))
	standby.Address = standby.Server.URL()
	return standby
}

// TestDatabaseFailoverLosesNothing kills a primary that has replicated everything to its standby, and promotes the
// standby.
func TestDatabaseFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	primary, ok := rig.NewBreakable(t).(*rig.LocalPostgres)
	if !ok {
		t.Skip("this test needs two Postgres servers on this machine that share a directory")
	}
	standby := newStandby(t, primary)
	primary.Synchronous(t)
	database := hostsURL(primary.Address, rig.Bridge(t, standby), rig.Bridge(t, primary)) // the standby is tried first
	p := rig.Start(t, rig.Settings(database, "POSTRIDER_RETRY_SCHEDULE=1s,1s,1s", "POSTRIDER_LEASE=8s", "POSTRIDER_REQUEST_TIMEOUT=5s"), "serve")
	c := p.Service(t).NewTenant(t)
	r := rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	before := c.SendMessages(t, app, 20)
	rig.NoError(t, primary.Stop(t.Context(), rig.Immediate))
	rig.Execute(t, standby.Address, "SELECT pg_promote()")
	var after string
	rig.Await(t, func() string {
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e2e.message","payload":{"after":true}}`)
		if err != nil || answer.Status != 202 {
			return fmt.Sprintf("no message is taken after the failover: %d %s, %v", answer.Status, answer.Body, err)
		}
		var out struct{ ID string }
		answer.Decode(t, &out)
		after = out.ID
		return ""
	})
	r.Await(t, append(before, after)...)
	c.Call(t, 200, "GET", "/api/v1/health", "")
	if p.HasEnded() {
		t.Error("the process ended")
	}
}
