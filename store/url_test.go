package store

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// parameters are taken out of DATABASE_URL by the driver or its pool; the server knows none of them.
var parameters = map[string]string{
	"pool_max_conns":                "7",
	"pool_min_conns":                "1",
	"pool_min_idle_conns":           "1",
	"pool_max_conn_lifetime":        "1h",
	"pool_max_conn_lifetime_jitter": "1m",
	"pool_max_conn_idle_time":       "30m",
	"pool_health_check_period":      "1m",
	"pool_ping_timeout":             "10s",
	"default_query_exec_mode":       "exec",
	"statement_cache_capacity":      "128",
	"description_cache_capacity":    "128",
	"min_protocol_version":          "3.0",
	"max_protocol_version":          "3.0",
	"channel_binding":               "disable",
	"require_auth":                  "none",
	"sslnegotiation":                "postgres",
	"sslcertmode":                   "allow",
	"sslsni":                        "0",
	"target_session_attrs":          "any",
	"connect_timeout":               "20",
	"krbsrvname":                    "postgres",
	"application_name":              "ours", // a parameter of the server
}

// connects calls everything that connects to a database: migrations, the pool, and the connection that listens.
func connects(t *testing.T, databaseURL string) {
	t.Helper()
	if err := CheckURL(databaseURL); err != nil {
		t.Error(err)
	}
	if err := Migrate(t.Context(), Database{URL: databaseURL}); err != nil {
		t.Error(err)
	}
	if list, err := MigrateStatus(t.Context(), Database{URL: databaseURL}); err != nil || len(list) == 0 {
		t.Errorf("%d migrations, %v", len(list), err)
	}
	s, err := Open(t.Context(), Config{Database: Database{URL: databaseURL}, Clock: time.Now})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if _, err := s.SecretCount(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, heard := context.WithCancel(t.Context())
	s.Listen(ctx, listener{wake: heard})
}

func TestDatabaseURLTakesWhatTheDriverKnows(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(pg.New(t))
	if err != nil {
		t.Fatal(err)
	}
	all := *u
	for name, value := range parameters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, values := *u, u.Query()
			values.Set(name, value)
			one.RawQuery = values.Encode()
			connects(t, one.String())
		})
		values := all.Query()
		values.Set(name, value)
		all.RawQuery = values.Encode()
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		bare, err := url.Parse(empty.New(t))
		if err != nil {
			t.Fatal(err)
		}
		bare.RawQuery = all.RawQuery
		connects(t, bare.String())
		if err := MigrateDown(t.Context(), Database{URL: bare.String()}); err != nil {
			t.Error(err)
		}
	})
	// The pool's size is read from either form.
	for text, want := range map[string]int{
		all.String(): 7, keywords(all): 7, u.String(): connectionsDefault, keywords(*u): connectionsDefault,
	} {
		s := openStore(t, text, nil)
		if got := s.Connections() - 1; got != want {
			t.Errorf("%s: %d connections, want %d", text, got, want)
		}
	}
}

// keywords formats a URL as keywords and values.
func keywords(u url.URL) string {
	text := "user=" + u.User.Username() + " dbname=" + strings.TrimPrefix(u.Path, "/")
	for name, values := range u.Query() {
		text += " " + name + "='" + values[0] + "'"
	}
	return text
}

func TestDatabaseURLCanBeKeywordsAndValues(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(empty.New(t))
	if err != nil {
		t.Fatal(err)
	}
	values := u.Query()
	values.Set("pool_max_conns", "3")
	u.RawQuery = values.Encode()
	connects(t, keywords(*u))
}

// TestSchemaIsMadeWhateverTheSearchPath: a product shares its DATABASE_URL, with a path for its own tables.
func TestSchemaIsMadeWhateverTheSearchPath(t *testing.T) {
	t.Parallel()
	for _, form := range []func(url.URL) string{func(u url.URL) string { return u.String() }, keywords} {
		u, err := url.Parse(empty.New(t))
		if err != nil {
			t.Fatal(err)
		}
		values := u.Query()
		values.Set("search_path", "shop")
		u.RawQuery = values.Encode()
		connects(t, form(*u))
		s := openStore(t, u.String(), nil)
		var schemas []string
		const where = "SELECT array_agg(DISTINCT relnamespace::regnamespace::text) FROM pg_class WHERE relname IN ('message', 'delivery', 'schema_migrations')"
		if err := s.pool.QueryRow(t.Context(), where).Scan(&schemas); err != nil || !slices.Equal(schemas, []string{"postrider"}) {
			t.Errorf("the tables are in %v, %v", schemas, err)
		}
	}
}

func TestSchemaNamesAreChecked(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"postrider": true, "cell_2": true, "_a": true, "public": true, strings.Repeat("a", 48): true,
		"": false, "Cell": false, "2nd": false, "a-b": false, `a"b`: false, "a b": false, strings.Repeat("a", 49): false,
		"pg_toast": false, "information_schema": false,
	} {
		if err := CheckSchema(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDatabaseURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"localhost", "mysql://u:secret@h/d", "host=h password='secret", "host=h password=secret sslmode=bad",
		"postgres://u:secret@h/d?sslmode=bad", "postgres://u:sec:secret@h:x/d", "host=h password=secret pool_max_conns=x",
	} {
		if err := CheckURL(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
