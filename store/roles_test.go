package store

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

const (
	ownerRole    = "postrider_owner"
	appRole      = "postrider_app"
	readonlyRole = "postrider_readonly"
)

// rolesAtOnce: roles are the server's, and scripts that make them at the same time collide.
var rolesAtOnce sync.Mutex

// makeRoles runs the script in a database.
func makeRoles(t *testing.T, databaseURL string, producers ...Producer) {
	t.Helper()
	runScript(t, databaseURL, rolesScript(t, Roles{Schema: SchemaDefault, Producers: producers}))
}

func rolesScript(t *testing.T, r Roles) string {
	t.Helper()
	var script strings.Builder
	if err := WriteRoles(&script, r); err != nil {
		t.Fatal(err)
	}
	return script.String()
}

func runScript(t *testing.T, databaseURL, script string) {
	t.Helper()
	rolesAtOnce.Lock()
	defer rolesAtOnce.Unlock()
	conn := connectTo(t, databaseURL)
	if _, err := conn.Exec(t.Context(), script); err != nil {
		t.Fatal(err)
	}
}

func connectTo(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(context.WithoutCancel(t.Context()), conn) })
	return conn
}

// as returns the URL of a database for another role, which brings its own settings.
func as(t *testing.T, databaseURL, role string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	query := u.Query()
	query.Del("options")
	query.Set("user", role)
	u.RawQuery = query.Encode()
	return u.String()
}

// rolesWorld is a database whose roles were made, and the store on it as the role of the service. admin is the same
// database as a superuser.
func rolesWorld(t *testing.T, producers ...Producer) (w, admin *world) {
	t.Helper()
	databaseURL := pg.New(t)
	makeRoles(t, databaseURL, producers...)
	admin = &world{Store: openStore(t, databaseURL, nil), t: t}
	w = &world{Store: openStore(t, as(t, databaseURL, appRole), nil), t: t}
	if role := value[string](w, "SELECT current_user"); role != appRole {
		t.Fatalf("the store is that of %s", role)
	}
	w.app = w.addApplication(testOrg, "acme")
	admin.app = w.app
	w.sweep(now())
	return w, admin
}

// A new database: the script, then the migrations as the owner, then the service.
func TestRolesOfANewDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := empty.New(t)
	makeRoles(t, databaseURL)
	if err := Migrate(t.Context(), Database{URL: as(t, databaseURL, ownerRole)}); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if again {
			makeRoles(t, databaseURL)
		}
		s := openStore(t, as(t, databaseURL, appRole), nil)
		if err := s.CheckRights(t.Context()); err != nil {
			t.Error(err)
		}
		w := &world{Store: s, t: t}
		at := now().AddDate(0, 0, 70*7) // no partitions yet
		if again {
			at = at.AddDate(0, 0, 7)
		}
		if made, err := w.PartitionCreate(t.Context(), core.MessagePartition(at)); err != nil || !made {
			t.Errorf("partition made: %v, %v", made, err)
		}
	}
	// A later migration needs no other run of the script.
	owner := connectTo(t, as(t, databaseURL, ownerRole))
	if _, err := owner.Exec(t.Context(), "CREATE TABLE later (id bigint)"); err != nil {
		t.Fatal(err)
	}
	service := connectTo(t, as(t, databaseURL, appRole))
	if _, err := service.Exec(t.Context(), "INSERT INTO later VALUES (1)"); err != nil {
		t.Error(err)
	}
}

// A role that owns the database and may create roles is enough, as with hosted Postgres.
func TestRolesNeedNoSuperuser(t *testing.T) {
	t.Parallel()
	databaseURL := empty.New(t)
	conn := connectTo(t, databaseURL)
	for _, sql := range []string{
		"CREATE ROLE dba_without_powers LOGIN CREATEROLE",
		"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO dba_without_powers', current_database()); END $$",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	dba := as(t, databaseURL, "dba_without_powers")
	cells := Roles{Schema: "cells_of_dba", Producers: []Producer{{"shop_of_dba", "org_shop"}}}
	runScript(t, dba, rolesScript(t, cells))
	d := Database{URL: as(t, databaseURL, "cells_of_dba_owner"), Schema: cells.Schema}
	if err := Migrate(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	runScript(t, dba, rolesScript(t, cells))
	runScript(t, dba, rolesScript(t, cells))
	shop := connectTo(t, as(t, databaseURL, "shop_of_dba"))
	if _, err := shop.Exec(t.Context(), "SELECT cells_of_dba.message_send('acme', 'a', '{}', org_id => 'org_shop')"); err != nil {
		t.Error(err)
	}
}

// Settings come with the role, for connections through a pooler that drops those of the session.
func TestRoleOfTheServiceHasItsSettings(t *testing.T) {
	t.Parallel()
	databaseURL := pg.New(t)
	makeRoles(t, databaseURL)
	conn := connectTo(t, as(t, databaseURL, appRole))
	for _, s := range SessionSettings(SchemaDefault) {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", s.Name).Scan(&got); err != nil || got != s.Value {
			t.Errorf("%s is %q, %v; want %q", s.Name, got, err, s.Value)
		}
	}
}

func TestRolesRefuseNamesThatNeedCare(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "shop", "shop=", "=org_a", "shop=acme", `sh"op=org_a`, "sh'op=org_a", "shop=org_'", "shop=org_$$", "9=org_a",
		"shop=" + string(core.OperationalOrg), strings.Repeat("a", 64) + "=org_a",
	} {
		if p, err := ParseProducer(text); err == nil {
			t.Errorf("%q: %+v", text, p)
		}
	}
	if p, err := ParseProducer("shop=org_shop"); err != nil || p != (Producer{"shop", "org_shop"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, schema := range []string{"", `a"b`, "Upper", "pg_a"} {
		if err := WriteRoles(new(strings.Builder), Roles{Schema: schema}); err == nil {
			t.Errorf("schema %q", schema)
		}
	}
}

// TestServiceSaysWhichRightIsMissing: what is missing is listed when a process starts, not met one by one.
func TestServiceSaysWhichRightIsMissing(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	if err := w.CheckRights(t.Context()); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"REVOKE UPDATE ON endpoint FROM postrider_app":                                           "UPDATE on endpoint",
		"REVOKE SELECT, INSERT ON delivery FROM postrider_app":                                   "INSERT on delivery, SELECT on delivery",
		"REVOKE EXECUTE ON FUNCTION partition_create(text, text, text, text) FROM postrider_app": "EXECUTE on partition_create()",
		"REVOKE USAGE ON SEQUENCE delivery_seq FROM postrider_app":                               "USAGE on delivery_seq",
		"REVOKE USAGE ON SCHEMA postrider FROM postrider_app":                                    "USAGE on schema postrider",
	} {
		tx := admin.begin()
		for _, do := range []string{sql, "SET LOCAL ROLE " + appRole} {
			if _, err := tx.Exec(t.Context(), do); err != nil {
				t.Fatal(err)
			}
		}
		missing, err := rightsMissing(t.Context(), tx, SchemaDefault)
		if got := strings.Join(missing, ", "); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
		}
		rollback(t.Context(), tx)
	}
	admin.exec("REVOKE UPDATE ON endpoint FROM postrider_app")
	err := w.CheckRights(t.Context())
	const want = "role postrider_app lacks UPDATE on endpoint; run the script that `postrider roles` prints"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestServiceNeedsNoRightToChangeTheSchema: it starts, makes partitions and goes on week after week.
func TestServiceNeedsNoRightToChangeTheSchema(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	w.addEndpoint(nil)
	for week := range 8 {
		at := now().AddDate(0, 0, 7*week)
		made := 0
		for _, p := range core.PartitionsAround(at) {
			yes, err := w.PartitionCreate(t.Context(), p)
			if err != nil {
				t.Fatalf("week %d: %v", week, err)
			}
			if yes {
				made++
			}
		}
		if week > 0 && made != 2 {
			t.Errorf("week %d: %d partitions made, want one of each table", week, made)
		}
		in := w.event(func(m *core.NewMessage) { m.ID = core.NewMessageID(at) })
		if _, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), in); err != nil {
			t.Fatalf("week %d: %v", week, err)
		}
		r := result(w.claim(room())[0], time.Time{})
		r.Attempt.ID = core.NewAttemptID(at)
		if !w.record(r) {
			t.Errorf("week %d: the attempt was not taken", week)
		}
	}
	if message, attempt, err := w.PartitionCaught(t.Context()); err != nil || message != "" || attempt != "" {
		t.Errorf("outside any partition: %s, %s, %v", message, attempt, err)
	}
	if analyzed, err := w.PartitionAnalyze(t.Context(), now().Add(time.Hour)); err != nil || !analyzed {
		t.Errorf("statistics: %v, %v", analyzed, err)
	}
	const others = `SELECT count(*) FROM pg_class WHERE relispartition AND (relowner <> 'postrider_owner'::regrole
		OR relname !~ 'default' AND has_table_privilege('postrider_app', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'))
		AND relkind = 'r'`
	if n := value[int](admin, others); n != 0 {
		t.Errorf("%d partitions are not the owner's, or have rights of their own", n)
	}
}

// The service may be started as it is by default, and says who has to migrate if somebody has to.
func TestServiceMayNotMigrate(t *testing.T) {
	t.Parallel()
	databaseURL := pg.New(t)
	makeRoles(t, databaseURL)
	d := Database{URL: as(t, databaseURL, appRole)}
	if err := Migrate(t.Context(), d); err != nil {
		t.Errorf("nothing is pending: %v", err)
	}
	admin := connectTo(t, databaseURL)
	if _, err := admin.Exec(t.Context(), "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)"); err != nil {
		t.Fatal(err)
	}
	err := Migrate(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), "run postrider migrate up as the owner of the schema") {
		t.Error(err)
	}
	if err := MigrateDown(t.Context(), d); err == nil {
		t.Error("the service took a migration back")
	}
}

// A dump brings policies and grants. The script brings the settings, which a dump of one database does not contain.
func TestRolesSurviveADump(t *testing.T) {
	t.Parallel()
	_, admin := rolesWorld(t, Producer{"shop", "org_shop"})
	restored := empty.New(t)
	admin.dumpInto(t, restored)
	const foreign = "INSERT INTO postrider.outbox (org_id, application, event_type, payload) VALUES ('org_till', 'acme', 'a', '{}')"
	shop := connectTo(t, as(t, restored, "shop"))
	if _, err := shop.Exec(t.Context(), foreign); sqlState(err) != codeForbidden {
		t.Errorf("restored, a producer sends for another organisation: %v", err)
	}
	makeRoles(t, restored, Producer{"shop", "org_shop"})
	shop = connectTo(t, as(t, restored, "shop"))
	if _, err := shop.Exec(t.Context(), outboxInsert); err != nil {
		t.Error(err)
	}
	s := openStore(t, as(t, restored, appRole), nil)
	if err := s.CheckRights(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.PartitionCreate(t.Context(), core.MessagePartition(now().AddDate(1, 0, 0))); err != nil {
		t.Error(err)
	}
}
