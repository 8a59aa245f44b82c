package e2e

import (
	"net/url"
	"strings"
	"testing"
)

func TestVersionIsPrinted(t *testing.T) {
	t.Parallel()
	got := command(t, nil, "version")
	if version, ok := strings.CutPrefix(got.stdout, "postrider "); got.code != 0 || !ok || strings.TrimSpace(version) == "" || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestTokenPrintsNothingButTheToken(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"token"}, {"token", "org_mine"}, {"token", "org_mine", "--application", "app_2QzNYbYPcmsVWXRGgYf0V9r4XyZ"},
		{"token", "issue", "org_mine", "--expiry=1h"},
	} {
		got := command(t, []string{secretSetting}, args...)
		token, newline := strings.CutSuffix(got.stdout, "\n")
		if got.code != 0 || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "expires at 20") || !newline || strings.ContainsAny(token, " \n") || strings.Count(token, ".") != 2 {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

func TestTokenForNobodyIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"token", "acme"}, {"token", "org_mine", "--application", "acme"},
		{"token", "org_mine", "--expiry=-1h"}, {"token", "org_mine", "--expiry=1ms"}, {"token", "org_mine", "--expiry=1000000h"},
		{"token", operationalOrg}, {"token", operationalOrg, "--application", "app_2QzNYbYPcmsVWXRGgYf0V9r4XyZ"},
	} {
		if got := command(t, []string{secretSetting}, args...); got.code == 0 || got.stdout != "" || got.stderr == "" {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}

// marks are the lines of a status: whether each migration is applied.
func marks(t *testing.T, database string, args ...string) string {
	t.Helper()
	got := command(t, settings(database), args...)
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("%v: exit code %d, stderr %q", args, got.code, got.stderr)
	}
	var marks strings.Builder
	for line := range strings.Lines(got.stdout) {
		mark, file, _ := strings.Cut(strings.TrimPrefix(line, "["), "] ")
		if !strings.HasSuffix(file, ".sql\n") || len(mark) != 1 {
			t.Fatalf("%v: a line of the status is %q", args, line)
		}
		marks.WriteString(mark)
	}
	return marks.String()
}

func TestMigrationsGoUpAndDown(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
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

// TestCommandsTakeThePoolsParameters: they are the driver's, and no server knows them.
func TestCommandsTakeThePoolsParameters(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(newDatabase(t))
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
	if got := command(t, settings(u.String()), "secrets", "status"); got.code != 0 {
		t.Errorf("secrets status: exit code %d, stderr %q", got.code, got.stderr)
	}
	r := newReceiver(t, nil)
	c := start(t, settings(u.String()), "serve").service(t).tenant(t)
	app := c.application(t)
	r.endpoint(t, c, app)
	r.await(t, c.message(t, app))
}

func TestStartDoesNotMigrateWhenToldNotTo(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	if got := command(t, settings(database, "POSTRIDER_MIGRATE=false"), "api"); got.code != 1 || got.stderr == "" {
		t.Errorf("on an empty database: exit code %d, stderr %q", got.code, got.stderr)
	}
	if got := marks(t, database, "migrate", "status"); strings.Contains(got, "x") {
		t.Errorf("the status is %q, want nothing applied", got)
	}
	marks(t, database, "migrate", "up")
	start(t, settings(database, "POSTRIDER_MIGRATE=false"), "api").service(t).tenant(t).application(t)
}

func TestAddressInUseIsToldBySetting(t *testing.T) {
	t.Parallel()
	p, _ := serve(t)
	got := command(t, append(p.settings(), "POSTRIDER_LISTEN="+p.ready(t)), "api")
	if got.code != 1 || !strings.Contains(got.stderr, "POSTRIDER_LISTEN") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q; want 1 and one line that names POSTRIDER_LISTEN", got.code, got.stderr)
	}
}
