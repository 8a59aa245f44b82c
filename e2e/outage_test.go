package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestDatabaseRefusingLoginsIsUnavailable makes the database of a running process unavailable. Meanwhile requests are
// answered with 503, and the log has a single event for all parts of the process. Once the database is back,
// everything works again.
func TestDatabaseRefusingLoginsIsUnavailable(t *testing.T) {
	t.Parallel()
	const (
		closed = "ALTER DATABASE %[1]s ALLOW_CONNECTIONS false"
		opened = "ALTER DATABASE %[1]s ALLOW_CONNECTIONS true"
		ended  = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	)
	for name, way := range map[string]struct{ shut, open []string }{
		"no connections": {[]string{closed, ended}, []string{opened}},
		"no login":       {[]string{"ALTER ROLE %[1]s NOLOGIN", ended}, []string{"ALTER ROLE %[1]s LOGIN"}},
		"no database": { // a database in use cannot be renamed
			[]string{closed, ended, "ALTER DATABASE %[1]s RENAME TO %[1]s_old"},
			[]string{"ALTER DATABASE %[1]s_old RENAME TO %[1]s", opened},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role, database := roleOfDatabase(t)
			p := rig.Start(t, rig.Settings(database), "serve")
			c, r := p.Service(t).NewTenant(t), rig.NewReceiver(t, nil)
			app := c.NewApplication(t)
			r.NewEndpoint(t, c, app)
			r.Await(t, c.SendMessage(t, app))

			administerAll(t, role, way.shut)
			wantUnavailable(t, c, app)
			if n, failures := p.CountEvents("database unavailable; retrying"); n != 1 || failures != 1 {
				t.Errorf("%d events of the outage and %d errors in all, want one: %s", n, failures, rig.Tail(p.Stdout.String()))
			}

			administerAll(t, role, way.open)
			rig.Await(t, func() string {
				if n, _ := p.CountEvents("database recovered"); n == 0 {
					return "the log does not say that the database is back"
				}
				return ""
			})
			r.Await(t, c.SendMessage(t, app))
			c.Call(t, http.StatusOK, "GET", "/api/v1/app", "")
		})
	}
}

// administerAll runs statements on the server about a role, or about the database with the same name.
func administerAll(t testing.TB, role string, statements []string) {
	t.Helper()
	for _, statement := range statements {
		rig.NoError(t, rig.AdministerDatabase(rig.Must(rig.SharedBackend())(t).URL, fmt.Sprintf(statement, role)))
	}
}

// wantUnavailable makes requests of several kinds, several times each, and expects 503.
func wantUnavailable(t testing.TB, c rig.Client, app string) {
	t.Helper()
	for _, request := range [][3]string{
		{"GET", "/api/v1/app", ""}, {"GET", "/api/v1/app/" + app, ""}, {"POST", "/api/v1/app", `{"name":"n"}`},
		{"POST", "/api/v1/app/" + app + "/msg", `{"eventType":"e","payload":{}}`},
	} {
		for range 5 {
			answer := c.Call(t, http.StatusServiceUnavailable, request[0], request[1], request[2])
			if answer.Header.Get("Retry-After") == "" {
				t.Errorf("%v: no Retry-After", request)
			}
		}
	}
}

// roleOfDatabase creates a database, and a role with the same name that owns its contents.
func roleOfDatabase(t testing.TB) (name, database string) {
	t.Helper()
	server := rig.Must(rig.SharedBackend())(t).URL
	var role string
	t.Cleanup(func() { rig.NoError(t, rig.AdministerDatabase(server, "DROP ROLE "+role)) }) // after the database, whose tables the role owns
	database = rig.NewEmptyDatabase(t)
	role = strings.TrimPrefix(rig.MustParseURL(database).Path, "/")
	rig.NoError(t, rig.AdministerDatabase(server, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%[1]s'", role)))
	rig.NoError(t, rig.AdministerDatabase(server, fmt.Sprintf("ALTER DATABASE %s OWNER TO %[1]s", role)))
	t.Cleanup(func() {
		rig.NoError(t, rig.AdministerDatabase(server, fmt.Sprintf("ALTER DATABASE %s OWNER TO CURRENT_USER", role)))
	})
	return role, asRole(database, role)
}

// asRole returns the URL of a database for a role whose password is its name.
func asRole(database, role string) string {
	u := rig.MustParseURL(database)
	u.User = url.UserPassword(role, role)
	if query := u.Query(); query.Has("user") {
		query.Set("user", role)
		u.RawQuery = query.Encode()
	}
	return u.String()
}
