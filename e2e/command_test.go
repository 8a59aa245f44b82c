package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

func TestVersionIsPrinted(t *testing.T) {
	t.Parallel()
	got := rig.Command(t, nil, "version")
	if version, ok := strings.CutPrefix(got.Stdout, "postrider "); got.Code != 0 || !ok || strings.TrimSpace(version) == "" || got.Stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestTokenCommandPrintsTokenAlone(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"token"}, {"token", "org_mine"}, {"token", "org_mine", "--application", "app_2QzNYbYPcmsVWXRGgYf0V9r4XyZ"},
		{"token", "issue", "org_mine", "--expiry=1h"},
	} {
		got := rig.Command(t, []string{rig.SecretSetting}, args...)
		token, newline := strings.CutSuffix(got.Stdout, "\n")
		if got.Code != 0 || strings.Count(got.Stderr, "\n") != 1 || !strings.Contains(got.Stderr, "expires at 20") || !newline || strings.ContainsAny(token, " \n") || strings.Count(token, ".") != 2 {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

func TestTokenCommandRefusesBadSubject(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"token", "acme"}, {"token", "org_mine", "--application", "acme"},
		{"token", "org_mine", "--expiry=-1h"}, {"token", "org_mine", "--expiry=1ms"}, {"token", "org_mine", "--expiry=1000000h"},
		{"token", operationalOrg}, {"token", operationalOrg, "--application", "app_2QzNYbYPcmsVWXRGgYf0V9r4XyZ"},
	} {
		if got := rig.Command(t, []string{rig.SecretSetting}, args...); got.Code == 0 || got.Stdout != "" || got.Stderr == "" {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

// marks returns the marks of all migrations in the output; a mark says whether the migration is applied.
func marks(t *testing.T, database string, args ...string) string {
	t.Helper()
	got := rig.Command(t, rig.Settings(database), args...)
	if got.Code != 0 || got.Stderr != "" {
		t.Fatalf("%v: exit code %d, stderr %q", args, got.Code, got.Stderr)
	}
	var marks strings.Builder
	for line := range strings.Lines(got.Stdout) {
		mark, file, _ := strings.Cut(strings.TrimPrefix(line, "["), "] ")
		if !strings.HasSuffix(file, ".sql\n") || len(mark) != 1 {
			t.Fatalf("%v: a line of the status is %q", args, line)
		}
		marks.WriteString(mark)
	}
	return marks.String()
}

func TestMigrateGoesUpAndDown(t *testing.T) {
	t.Parallel()
	database := rig.NewEmptyDatabase(t)
	none := marks(t, database, "migrate", "status")
	n := len(none)
	if n == 0 || none != strings.Repeat(" ", n) {
		t.Fatalf("of an empty database the status is %q", none)
	}
	all, allButOne := strings.Repeat("x", n), strings.Repeat("x", n-1)+" "
	for _, step := range []struct{ command, want string }{
		{"up", all}, {"status", all}, {"up", all}, {"down", allButOne}, {"status", allButOne}, {"up", all},
	} {
		if got := marks(t, database, "migrate", step.command); got != step.want {
			t.Fatalf("after %s the status is %q, want %q", step.command, got, step.want)
		}
	}
}

// TestCommandTakesPoolParameters uses parameters of the driver that no Postgres server knows.
func TestCommandTakesPoolParameters(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(rig.NewEmptyDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	values := u.Query()
	for name, value := range map[string]string{
		"pool_max_conns": "6", "pool_min_conns": "1", "pool_max_conn_lifetime": "1h", "pool_max_conn_idle_time": "1m",
		"pool_health_check_period": "1m", "pool_max_conn_lifetime_jitter": "1m", "statement_cache_capacity": "64",
	} {
		values.Set(name, value)
	}
	u.RawQuery = values.Encode()
	marks(t, u.String(), "migrate", "up")
	if got := rig.Command(t, rig.Settings(u.String()), "secrets", "status"); got.Code != 0 {
		t.Errorf("secrets status: exit code %d, stderr %q", got.Code, got.Stderr)
	}
	r := rig.NewReceiver(t, nil)
	c := rig.Start(t, rig.Settings(u.String()), "serve").Service(t).NewTenant(t)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	r.Await(t, c.SendMessage(t, app))
}

func TestStartDoesNotMigrateIfDisabled(t *testing.T) {
	t.Parallel()
	database := rig.NewEmptyDatabase(t)
	if got := rig.Command(t, rig.Settings(database, "POSTRIDER_MIGRATE=false"), "api"); got.Code != 1 || !strings.Contains(got.Stderr, " migrations behind; run postrider migrate up") {
		t.Errorf("on an empty database: exit code %d, stderr %q", got.Code, got.Stderr)
	}
	if got := marks(t, database, "migrate", "status"); strings.Contains(got, "x") {
		t.Errorf("the status is %q, want nothing applied", got)
	}
	marks(t, database, "migrate", "up")
	marks(t, database, "migrate", "down")
	if got := rig.Command(t, rig.Settings(database, "POSTRIDER_MIGRATE=false"), "worker"); got.Code != 1 || !strings.Contains(got.Stderr, " 1 migration behind; run postrider migrate up") {
		t.Errorf("one migration behind: exit code %d, stderr %q", got.Code, got.Stderr)
	}
	marks(t, database, "migrate", "up")
	rig.Start(t, rig.Settings(database, "POSTRIDER_MIGRATE=false"), "api").Service(t).NewTenant(t).NewApplication(t)
}

func TestListenAddressInUseNamesSetting(t *testing.T) {
	t.Parallel()
	p, _ := rig.Serve(t)
	got := rig.Command(t, append(p.Settings(), "POSTRIDER_LISTEN="+p.AwaitReady(t)), "api")
	if got.Code != 1 || !strings.Contains(got.Stderr, "pass --listen") || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q; want 1 and one line that names --listen", got.Code, got.Stderr)
	}
}
