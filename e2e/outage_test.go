package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// events is how many events with a message there are in the log, and how many errors in all.
func (p *process) events(message string) (n, failures int) {
	for line := range strings.Lines(p.stdout.String()) {
		if strings.Contains(line, fmt.Sprintf("%q", message)) {
			n++
		}
		if strings.Contains(line, `"level":"ERROR"`) {
			failures++
		}
	}
	return n, failures
}

// TestDatabaseThatShutsUsOutIsUnavailable takes its database from a process. Requests are answered with 503 meanwhile, the
// log has one event for all parts of the process, and once the database is there again all goes on.
func TestDatabaseThatShutsUsOutIsUnavailable(t *testing.T) {
	t.Parallel()
	const (
		closed = "ALTER DATABASE %[1]s ALLOW_CONNECTIONS false"
		opened = "ALTER DATABASE %[1]s ALLOW_CONNECTIONS true"
		ended  = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	)
	for name, way := range map[string]struct{ shut, open []string }{
		"no connections": {[]string{closed, ended}, []string{opened}},
		"no login":       {[]string{"ALTER ROLE %[1]s NOLOGIN", ended}, []string{"ALTER ROLE %[1]s LOGIN"}},
		"no database": { // a database in use keeps its name
			[]string{closed, ended, "ALTER DATABASE %[1]s RENAME TO %[1]s_old"},
			[]string{"ALTER DATABASE %[1]s_old RENAME TO %[1]s", opened},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role, database := roleOfDatabase(t)
			p := start(t, settings(database), "serve")
			c, r := p.service(t).tenant(t), newReceiver(t, nil)
			app := c.application(t)
			r.endpoint(t, c, app)
			r.await(t, c.message(t, app))

			administerAll(t, role, way.shut)
			wantUnavailable(t, c, app)
			if n, failures := p.events("database unavailable; retrying"); n != 1 || failures != 1 {
				t.Errorf("%d events of the outage and %d errors in all, want one: %s", n, failures, tail(p.stdout.String()))
			}

			administerAll(t, role, way.open)
			await(t, func() string {
				if n, _ := p.events("database recovered"); n == 0 {
					return "the log does not say that the database is back"
				}
				return ""
			})
			r.await(t, c.message(t, app))
			c.call(t, http.StatusOK, "GET", "/api/v1/app", "")
		})
	}
}

// administerAll runs statements about a role, or the database of that name, at the server.
func administerAll(t testing.TB, role string, statements []string) {
	t.Helper()
	for _, statement := range statements {
		done(t, administer(must(theBackend())(t).url, fmt.Sprintf(statement, role)))
	}
}

// wantUnavailable makes requests of all sorts several times.
func wantUnavailable(t testing.TB, c client, app string) {
	t.Helper()
	for _, request := range [][3]string{
		{"GET", "/api/v1/app", ""}, {"GET", "/api/v1/app/" + app, ""}, {"POST", "/api/v1/app", `{"name":"n"}`},
		{"POST", "/api/v1/app/" + app + "/msg", `{"eventType":"e","payload":{}}`},
	} {
		for range 5 {
			answer := c.call(t, http.StatusServiceUnavailable, request[0], request[1], request[2])
			if answer.header.Get("Retry-After") == "" {
				t.Errorf("%v: no Retry-After", request)
			}
		}
	}
}

// roleOfDatabase makes a database, and a role of the same name that owns what is in it.
func roleOfDatabase(t testing.TB) (name, database string) {
	t.Helper()
	server := must(theBackend())(t).url
	var role string
	t.Cleanup(func() { done(t, administer(server, "DROP ROLE "+role)) }) // after the database, whose tables are the role's
	database = newDatabase(t)
	role = strings.TrimPrefix(mustParse(database).Path, "/")
	done(t, administer(server, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%[1]s'", role)))
	done(t, administer(server, fmt.Sprintf("ALTER DATABASE %s OWNER TO %[1]s", role)))
	t.Cleanup(func() { done(t, administer(server, fmt.Sprintf("ALTER DATABASE %s OWNER TO CURRENT_USER", role))) })
	return role, asRole(database, role)
}

// asRole is the URL of a database for a role whose password is its name.
func asRole(database, role string) string {
	u := mustParse(database)
	u.User = url.UserPassword(role, role)
	if query := u.Query(); query.Has("user") {
		query.Set("user", role)
		u.RawQuery = query.Encode()
	}
	return u.String()
}
