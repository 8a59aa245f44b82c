package store

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// refuses checks that migrate up returns an error with all of these texts, and changes nothing.
func refuses(t *testing.T, d Database, look string, texts ...string) {
	t.Helper()
	before := objects(t, look)
	err := Migrate(t.Context(), d)
	if err == nil {
		t.Fatal("it migrated")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if after := objects(t, look); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

func TestSchemaOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	const rails = "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240101000000');"
	for name, test := range map[string]struct{ create, names string }{
		"tables of our names": {rails + "CREATE TABLE message (id serial); CREATE TABLE endpoint (id int)", "(table endpoint, table message, table schema_migrations)"},
		"migrations alone":    {rails, "(table schema_migrations)"},
		"golang-migrate":      {"CREATE TABLE schema_migrations (version bigint, dirty boolean)", "(table schema_migrations)"},
		"no versions at all":  {"CREATE TABLE schema_migrations (id int)", "(table schema_migrations)"},
		"no migrations":       {"CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE c (); CREATE TABLE d (); CREATE TABLE e (); CREATE TABLE f ()", "(table a, table b, table c, table d, table e and others)"},
		"five objects":        {"CREATE TABLE a (); CREATE VIEW b AS SELECT 1; CREATE SEQUENCE c; CREATE MATERIALIZED VIEW d AS SELECT 1; CREATE TABLE e (id int) PARTITION BY RANGE (id)", "(sequence c, table a, table e, view b, view d)"},
		"function":            {"CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "(function f(integer))"},
		"enum":                {"CREATE TYPE kind AS ENUM ('a')", "(type kind)"},
		"domain":              {"CREATE DOMAIN amount AS int", "(type amount)"},
		"composite type":      {"CREATE TYPE pair AS (a int, b int)", "(type pair)"},
		"range":               {"CREATE TYPE span AS RANGE (subtype = int)", "(type span)"},
		// Another program may happen to have one of our versions.
		"our version": {"CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES ('" + versionFirst + "')", "(table schema_migrations)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := empty.New(t)
			conn := connect(t, database)
			execOn(t, conn, "SET search_path = public")
			for create := range strings.SplitSeq(test.create, ";") {
				execOn(t, conn, create)
			}
			refuses(t, Database{URL: database, Schema: "public"}, database, `schema "public"`, test.names, "choose another POSTRIDER_SCHEMA")
			if err := Migrate(t.Context(), Database{URL: database}); err != nil {
				t.Errorf("beside it: %v", err)
			}
		})
	}
}

// What extensions create is no reason, nor what a start left that was interrupted before its first migration.
func TestSchemaThatIsAsGoodAsEmptyIsAccepted(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]string{
		"prepared":    "CREATE SCHEMA postrider",
		"interrupted": "CREATE SCHEMA postrider; CREATE TABLE postrider.schema_migrations (version varchar PRIMARY KEY)",
		"extension":   "CREATE SCHEMA postrider; CREATE EXTENSION hstore SCHEMA postrider",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := empty.New(t)
			conn := connect(t, database)
			if name == "extension" && !valueOn[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore')") {
				t.Skip("this server has no extensions")
			}
			for statement := range strings.SplitSeq(create, ";") {
				execOn(t, conn, statement)
			}
			if err := Migrate(t.Context(), Database{URL: database}); err != nil {
				t.Error(err)
			}
		})
	}
}

// asNewRole returns the URL for another role, which it creates.
func asNewRole(t *testing.T, database string) (string, string) {
	t.Helper()
	role := newRoleName("app")
	execOn(t, connect(t, database), "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "secret")
	return u.String(), role
}

func TestMigrateSaysWhichRightIsMissing(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	limited, role := asNewRole(t, database)
	refuses(t, Database{URL: limited}, database, `may not create the schema "postrider"`, `CREATE SCHEMA postrider AUTHORIZATION "`+role+`"`)
	conn := connect(t, database)
	execOn(t, conn, "CREATE SCHEMA postrider")
	execOn(t, conn, "GRANT USAGE ON SCHEMA postrider TO "+role)
	refuses(t, Database{URL: limited}, database, "may not create tables", `GRANT USAGE, CREATE ON SCHEMA postrider TO "`+role+`"`)
	// What the first error says helps.
	execOn(t, conn, "DROP SCHEMA postrider")
	execOn(t, conn, `CREATE SCHEMA postrider AUTHORIZATION "`+role+`"`)
	if err := Migrate(t.Context(), Database{URL: limited}); err != nil {
		t.Error(err)
	}
}

func TestDownSaysThatNothingIsLeft(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	before := objects(t, database)
	err := MigrateDown(t.Context(), Database{URL: database})
	if err == nil || !strings.Contains(err.Error(), "no migrations to revert") {
		t.Error(err)
	}
	if after := objects(t, database); !slices.Equal(before, after) {
		t.Error("something was created")
	}
}
