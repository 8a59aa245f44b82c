package store

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSchemaOfAnotherVersionIsNoticed(t *testing.T) {
	t.Parallel()
	url := pg.New(t)
	var log strings.Builder
	s, err := Open(t.Context(), Config{Database: Database{URL: url}, Clock: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.CheckSchema(t.Context()); err != nil || log.Len() > 0 {
		t.Errorf("the current one: %v, %s", err, log.String())
	}
	conn := connect(t, url)
	execOn(t, conn, "INSERT INTO schema_migrations VALUES ('29991231000001'), ('20250101000000')")
	if err := s.CheckSchema(t.Context()); err != nil || !strings.Contains(log.String(), "newer_migrations=1") {
		t.Errorf("a newer one: %v, %q", err, log.String())
	}
	if n, err := s.SchemaBehind(t.Context()); n != 0 || err != nil {
		t.Errorf("a newer one is %d behind, %v", n, err)
	}
	const behind = " behind; run postrider migrate up"
	for _, step := range []struct{ sql, want string }{
		{"DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations WHERE version < '2999')", `schema "postrider" is 1 migration` + behind},
		{"DELETE FROM schema_migrations WHERE version = (SELECT min(version) FROM schema_migrations WHERE version > '2026')", `schema "postrider" is 2 migrations` + behind},
		{"DROP TABLE schema_migrations", `schema "postrider" is ` + strconv.Itoa(len(versionsKnown())) + " migrations" + behind},
		{"DROP SCHEMA postrider CASCADE", `schema "postrider" is ` + strconv.Itoa(len(versionsKnown())) + " migrations" + behind},
	} {
		execOn(t, conn, step.sql)
		if err := s.CheckSchema(t.Context()); err == nil || err.Error() != step.want {
			t.Errorf("%s: %v, want %s", step.sql, err, step.want)
		}
		if n, err := s.SchemaBehind(t.Context()); err != nil || !strings.Contains(step.want, " is "+counted(n, "migration")+" ") {
			t.Errorf("%s: %d behind, %v, want %s", step.sql, n, err, step.want)
		}
	}
}

// A process may run as a role that can read its migrations table and change nothing in the schema.
func TestSchemaVersionIsReadWithFewRights(t *testing.T) {
	t.Parallel()
	url := pg.New(t)
	limited, role := asNewRole(t, url)
	s := openStore(t, limited, nil)
	conn := connect(t, url)
	for _, step := range []struct{ grant, want string }{
		{"SELECT 1", "behind"}, // Postgres does not tell a schema that may not be used from one that does not exist
		{"GRANT USAGE ON SCHEMA postrider TO " + role, "grant USAGE on the schema and SELECT on its table schema_migrations"},
		{"GRANT SELECT ON postrider.schema_migrations TO " + role, ""},
	} {
		execOn(t, conn, step.grant)
		err := s.CheckSchema(t.Context())
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%s: %v", step.grant, err)
		}
	}
	if list, err := MigrateStatus(t.Context(), Database{URL: limited}); err != nil || !list[len(list)-1].Applied {
		t.Errorf("status: %v, %v", list, err)
	}
}
