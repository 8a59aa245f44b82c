package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hostsURL is the URL of a database at several addresses, of which the one that takes writes is wanted.
func hostsURL(database string, addresses ...string) string {
	u := mustParse(database)
	u.Host = strings.Join(addresses, ",")
	u.RawQuery = "sslmode=disable&target_session_attrs=read-write"
	return u.String()
}

// keywordsOf is the same as keywords and values.
func keywordsOf(t testing.TB, database string) string {
	t.Helper()
	u := mustParse(database)
	var names, ports []string
	for address := range strings.SplitSeq(u.Host, ",") {
		name, port, _ := strings.Cut(address, ":")
		names, ports = append(names, name), append(ports, port)
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=%s sslmode=disable target_session_attrs=read-write",
		strings.Join(names, ","), strings.Join(ports, ","), u.User.Username(), password, strings.TrimPrefix(u.Path, "/"))
}

// TestDatabaseURLNamesServersOfWhichOneTakesWrites has one that is down and one that refuses writes in front.
func TestDatabaseURLNamesServersOfWhichOneTakesWrites(t *testing.T) {
	t.Parallel()
	standby, primary := newBreakable(t), newBreakable(t)
	standbyURL, primaryURL := must(standby.url(t.Context()))(t), must(primary.url(t.Context()))(t)
	execute(t, standbyURL, "ALTER SYSTEM SET default_transaction_read_only = on")
	execute(t, standbyURL, "SELECT pg_reload_conf()")
	byURL := hostsURL(primaryURL, "127.0.0.1:1", bridge(t, standby), bridge(t, primary))
	for _, database := range []string{byURL, keywordsOf(t, byURL)} {
		if got := marks(t, database, "migrate", "up"); strings.Contains(got, " ") {
			t.Fatalf("the status is %q, want all applied", got)
		}
		marks(t, database, "migrate", "status")
		for _, args := range [][]string{{"secrets", "status"}, {"token", "revoke", "--all", "org_of_nobody"}} {
			if got := command(t, settings(database), args...); got.code != 0 {
				t.Errorf("%v: %+v", args, got)
			}
		}
		api := start(t, settings(database), "api").service(t)
		for _, part := range []string{"worker", "jobs", "consume"} {
			start(t, settings(database), part).ready(t)
		}
		c, r := api.tenant(t), newReceiver(t, nil)
		app := c.application(t)
		r.endpoint(t, c, app)
		r.await(t, c.message(t, app))
		c.call(t, 200, "GET", "/api/v1/health", "")
	}
	listening := 0
	query(t, primaryURL, "SELECT count(*) FROM pg_stat_activity WHERE query ~* '(^|\\n)listen '", &listening)
	if listening == 0 {
		t.Error("no worker listens at the server that takes writes")
	}
}

// newStandby is a server that follows another one, which has its data already. It needs both on this machine.
func newStandby(t testing.TB, of *localPostgres) *localPostgres {
	t.Helper()
	done(t, of.stop(t.Context(), fast))
	dir := must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	done(t, os.Chmod(dir, 0o755))
	standby := &localPostgres{dir: filepath.Join(dir, "server")}
	t.Cleanup(func() {
		if standby.server != nil {
			done(t, standby.stop(t.Context(), fast))
		}
		done(t, os.RemoveAll(dir))
	})
	if output, err := exec.CommandContext(t.Context(), "cp", "-a", of.dir, standby.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	done(t, of.start(t.Context()))
	data, u := filepath.Join(standby.dir, "data"), mustParse(of.address)
	settings := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=%s'\n", u.Query().Get("host"), u.Query().Get("port"), u.User.Username())
	file := must(os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0))(t)
	must(file.WriteString(settings))(t)
	done(t, file.Close())
	done(t, os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644))
	done(t, standby.start(t.Context()))
	standby.address = standby.server.URL()
	return standby
}

// TestAFailoverToAStandbyLosesNothing kills the primary, which had handed all on to its standby, and promotes that one.
func TestAFailoverToAStandbyLosesNothing(t *testing.T) {
	t.Parallel()
	primary, ok := newBreakable(t).(*localPostgres)
	if !ok {
		t.Skip("this test needs two Postgres servers on this machine that share a directory")
	}
	standby := newStandby(t, primary)
	primary.synchronous(t)
	database := hostsURL(primary.address, bridge(t, standby), bridge(t, primary)) // the standby is asked first
	p := start(t, settings(database, "POSTRIDER_RETRY_SCHEDULE=1s,1s,1s", "POSTRIDER_LEASE=8s", "POSTRIDER_REQUEST_TIMEOUT=5s"), "serve")
	c := p.service(t).tenant(t)
	r := newReceiver(t, nil)
	app := c.application(t)
	r.endpoint(t, c, app)
	before := c.messages(t, app, 20)
	done(t, primary.stop(t.Context(), immediate))
	execute(t, standby.address, "SELECT pg_promote()")
	var after string
	await(t, func() string {
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e2e.message","payload":{"after":true}}`)
		if err != nil || answer.status != 202 {
			return fmt.Sprintf("no message is taken after the failover: %d %s, %v", answer.status, answer.body, err)
		}
		var out struct{ ID string }
		answer.decode(t, &out)
		after = out.ID
		return ""
	})
	r.await(t, append(before, after)...)
	c.call(t, 200, "GET", "/api/v1/health", "")
	if p.hasEnded() {
		t.Error("the process ended")
	}
}

// synchronous has the server answer a commit once its standby has it.
func (l *localPostgres) synchronous(t testing.TB) {
	t.Helper()
	execute(t, l.address, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	execute(t, l.address, "SELECT pg_reload_conf()")
	await(t, func() string {
		n := 0
		query(t, l.address, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", &n)
		if n == 0 {
			return "no standby follows"
		}
		return ""
	})
}
