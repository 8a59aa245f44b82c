package e2e

import (
	"fmt"
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
	rig.Query(t, primaryURL, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'DeliveryListenAnyTenant'", &listening)
	if listening == 0 {
		t.Error("no worker listens at the server that takes writes")
	}
}
