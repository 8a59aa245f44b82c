package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

func isTooBusy(err error) bool {
	e, ok := errors.AsType[*core.Error](err)
	return ok && e.Code == core.CodeTooBusy
}

const (
	outboxInsert = "INSERT INTO postrider.outbox (application, event_type, payload) VALUES ('acme', 'a', '{}')"
	outboxForOrg = "INSERT INTO postrider.outbox (org_id, application, event_type, payload) VALUES ('%s', 'acme', 'a', '{}')"
	sendForOrg   = "SELECT postrider.message_send('acme', 'a', '{}'%s, org_id => '%s')"
)

// rights are what a role may and may not do.
type rights struct{ may, mayNot []string }

func rightsOfApp() rights {
	r := rights{
		may: []string{
			"SELECT secret, old_secrets, headers, url FROM endpoint", "UPDATE endpoint SET failures = 0",
			"INSERT INTO message_event_id VALUES ('app_a', 'e', 'msg_a')", "DELETE FROM delivery",
			"SELECT nextval('delivery_seq')", "SELECT version FROM schema_migrations", "LISTEN postrider_delivery",
			"SELECT pg_advisory_xact_lock(1)", "NOTIFY postrider_delivery", "SELECT partition_analyze('attempt')",
		},
		mayNot: []string{
			"CREATE TABLE mine ()", "CREATE SCHEMA mine", "CREATE VIEW mine AS SELECT 1", "CREATE SEQUENCE mine",
			"CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE INDEX mine ON message (id)",
			"CREATE POLICY mine ON outbox USING (true)", "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY",
			"ALTER TABLE message DETACH PARTITION message_default", "ALTER SEQUENCE delivery_seq RESTART",
			"DROP FUNCTION partition_create(text, text, text, text)", "DROP SCHEMA postrider CASCADE",
			"ALTER FUNCTION partition_create(text, text, text, text) RESET search_path",
			"SELECT partition_detach('message', '20200106')", "SET ROLE postrider_owner", "SET SESSION AUTHORIZATION postrider_owner",
			"CREATE ROLE mine", "ALTER ROLE postrider_app SUPERUSER",
			"DELETE FROM message", "DELETE FROM attempt", "DELETE FROM endpoint", "DELETE FROM application",
			"DELETE FROM message_default", "INSERT INTO schema_migrations VALUES ('1')", "DELETE FROM schema_migrations",
			outboxInsert, "SELECT FROM outbox_dead_letter", "DELETE FROM outbox_dead_letter",
			"COPY endpoint TO PROGRAM 'true'",
		},
	}
	for _, t := range tableRights {
		r.mayNot = append(r.mayNot, "TRUNCATE "+t.Table, "DROP TABLE "+t.Table, "ALTER TABLE "+t.Table+" ADD COLUMN mine int")
	}
	return r
}

func rightsOfReadonly() rights {
	r := rights{
		may: []string{
			"SELECT app_id, id, description, disabled, failing_since FROM endpoint", "SELECT * FROM endpoint_url",
			"SELECT payload FROM message", "SELECT payload FROM outbox", "SELECT response FROM attempt",
			"SELECT reason FROM outbox_dead_letter", "SELECT version FROM schema_migrations", "SELECT status FROM idempotency_key",
		},
		mayNot: []string{
			"SELECT secret FROM endpoint", "SELECT old_secrets FROM endpoint", "SELECT headers FROM endpoint",
			"SELECT url FROM endpoint", "SELECT * FROM endpoint", "SELECT endpoint FROM endpoint", "COPY endpoint TO STDOUT",
			"SELECT 1 FROM endpoint WHERE secret = ''", "SELECT id FROM endpoint ORDER BY headers",
			"SELECT url FROM attempt", "SELECT * FROM attempt", "SELECT body FROM idempotency_key",
			"SELECT token_hash FROM token_revocation", "SELECT id FROM message_default",
			"SELECT id FROM endpoint FOR UPDATE", "SELECT nextval('delivery_seq')", "CREATE TABLE mine ()",
			"SELECT partition_analyze('message')", "SELECT partition_create('message', '', '', '')",
			"SELECT partition_detach('message', '20200106')", "SET ROLE postrider_app", "SET ROLE postrider_owner",
			fmt.Sprintf(sendForOrg, "", "org_shop"),
		},
	}
	for _, t := range tableRights {
		r.mayNot = append(r.mayNot, "DELETE FROM "+t.Table, "TRUNCATE "+t.Table, "INSERT INTO "+t.Table+" DEFAULT VALUES")
	}
	return r
}

// rightsOfShop are those of a producer for org_shop.
func rightsOfShop() rights {
	r := rights{
		may: []string{outboxInsert, fmt.Sprintf(outboxForOrg, "org_shop"), "SELECT postrider.message_send('acme', 'a', '{}')"},
		mayNot: []string{
			fmt.Sprintf(outboxForOrg, "org_till"), fmt.Sprintf(outboxForOrg, "org_23rb8YdGqMT0qIzpgGwdXfHirMu"),
			"WITH set AS MATERIALIZED (SELECT set_config('postrider.org_id', 'org_till', true)) " +
				"INSERT INTO postrider.outbox (application, event_type, payload) SELECT set_config, 'a', '{}' FROM set",
			"DO $$ BEGIN PERFORM set_config('postrider.org_id', 'org_till', true); " + outboxInsert + "; END $$",
			outboxInsert + " RETURNING payload",
			"INSERT INTO postrider.outbox (application, event_type, payload, created_at) VALUES ('acme', 'a', '{}', now())",
			"INSERT INTO postrider.outbox (application, event_type, payload, txid) VALUES ('acme', 'a', '{}', '3')",
			"INSERT INTO postrider.outbox (id, application, event_type, payload) OVERRIDING SYSTEM VALUE VALUES (1, 'acme', 'a', '{}')",
			"UPDATE postrider.outbox SET payload = '{}'", "SELECT nextval('postrider.outbox_id_seq')",
			"SELECT last_value FROM postrider.outbox_id_seq", "SELECT * FROM postrider.endpoint_url",
			"SELECT postrider.partition_analyze('message')", "SELECT postrider.partition_create('message', '', '', '')",
			"SELECT postrider.partition_detach('message', '20200106')", "CREATE TABLE postrider.mine ()",
			"SET ROLE postrider_app", "SET ROLE till",
		},
	}
	for _, kind := range []string{"", "::text", "::json", "::jsonb"} {
		r.may = append(r.may, fmt.Sprintf(sendForOrg, kind, "org_shop"))
		r.mayNot = append(r.mayNot, fmt.Sprintf(sendForOrg, kind, "org_till"))
	}
	for _, t := range tableRights {
		r.mayNot = append(r.mayNot, "SELECT FROM postrider."+t.Table, "DELETE FROM postrider."+t.Table, "TRUNCATE postrider."+t.Table)
	}
	return r
}

func rightsOfOwner() rights {
	return rights{may: []string{
		outboxInsert, fmt.Sprintf(outboxForOrg, "org_shop"), fmt.Sprintf(sendForOrg, "", "org_till"),
		"CREATE TABLE mine ()", "ALTER TABLE message ADD COLUMN mine int", "TRUNCATE outbox", "DROP TABLE idempotency_key",
		"SELECT partition_analyze('message')", "SELECT secret FROM endpoint",
	}}
}

// TestRolesMayDoTheirWorkAndNothingElse runs each statement in a transaction of its own, which is rolled back.
func TestRolesMayDoTheirWorkAndNothingElse(t *testing.T) {
	t.Parallel()
	_, admin := rolesWorld(t, Producer{"shop", "org_shop"}, Producer{"till", "org_till"})
	admin.exec("CREATE ROLE unbound LOGIN IN ROLE postrider_producer")
	admin.exec("CREATE ROLE stranger LOGIN")
	admin.addEndpoint(nil)
	for role, r := range map[string]rights{
		appRole: rightsOfApp(), readonlyRole: rightsOfReadonly(), "shop": rightsOfShop(), ownerRole: rightsOfOwner(),
		"unbound":  {mayNot: []string{outboxInsert, fmt.Sprintf(outboxForOrg, "org_shop"), fmt.Sprintf(sendForOrg, "", "org_shop"), "SELECT FROM postrider.outbox"}},
		"stranger": {mayNot: []string{outboxInsert, "SELECT postrider.message_send('acme', 'a', '{}')", "SELECT postrider.partition_analyze('message')", "SELECT FROM postrider.message"}},
	} {
		conn := connectTo(t, as(t, admin.pool.Config().ConnString(), role))
		for _, sql := range r.may {
			if err := tryOut(t, conn, sql); err != nil {
				t.Errorf("%s may not: %s: %v", role, sql, err)
			}
		}
		for _, sql := range r.mayNot {
			if err := tryOut(t, conn, sql); sqlState(err) != codeForbidden {
				t.Errorf("%s: %s: %v, want %s", role, sql, err, codeForbidden)
			}
		}
	}
}

// tryOut runs a statement and takes it back. Access is read-write, so that a default that the role could change is not
// what refuses it.
func tryOut(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{AccessMode: pgx.ReadWrite})
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), tx)
	_, err = tx.Exec(t.Context(), sql)
	return err
}

// A producer that names no organisation sends for its own.
func TestProducersSendForTheirOrganisation(t *testing.T) {
	t.Parallel()
	_, admin := rolesWorld(t, Producer{"shop", "org_shop"}, Producer{"till", "org_till"})
	for _, role := range []string{"shop", "till", ownerRole} {
		conn := connectTo(t, as(t, admin.pool.Config().ConnString(), role))
		for _, sql := range []string{outboxInsert, "SELECT postrider.message_send('acme', 'a', '{}'::jsonb)"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %s: %v", role, sql, err)
			}
		}
	}
	const want = "{org_23rb8YdGqMT0qIzpgGwdXfHirMu,org_23rb8YdGqMT0qIzpgGwdXfHirMu,org_shop,org_shop,org_till,org_till}"
	if got := value[string](admin, "SELECT array_agg(org_id ORDER BY org_id)::text FROM outbox"); got != want {
		t.Errorf("in the outbox are messages of %s, want %s", got, want)
	}
}

// A URL's user and password are all that the role for reading does not see of it.
func TestReadersSeeURLsWithoutPasswords(t *testing.T) {
	t.Parallel()
	_, admin := rolesWorld(t)
	for _, address := range []string{"https://user:p@ss@example.test/a@b?c=@", "http://example.test/@", "https://user@example.test"} {
		admin.addEndpoint(func(e *core.Endpoint) { e.URL = address })
		reader := connectTo(t, as(t, admin.pool.Config().ConnString(), readonlyRole))
		var got string
		const last = "SELECT url FROM endpoint_url ORDER BY id DESC LIMIT 1"
		if err := reader.QueryRow(t.Context(), last).Scan(&got); err != nil || got != core.MaskURL(address) {
			t.Errorf("%s is shown as %s, %v; want %s", address, got, err, core.MaskURL(address))
		}
	}
}
