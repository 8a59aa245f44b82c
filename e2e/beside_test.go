package e2e

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/e2e/rig"
)

// productObjects make an application's database, which has tables with the names of ours.
var productObjects = []string{
	"CREATE TABLE public.schema_migrations (version varchar PRIMARY KEY)",
	"INSERT INTO public.schema_migrations VALUES ('20240101000000'), ('20261122000001')", // the second is one of ours, too
	"CREATE TABLE public.message (id serial PRIMARY KEY, body text NOT NULL)",
	"INSERT INTO public.message (body) VALUES ('hello'), ('again')",
	"CREATE TABLE public.endpoint (id int PRIMARY KEY, url text)",
	"INSERT INTO public.endpoint VALUES (1, 'http://example.com')",
	"CREATE TABLE public.invoice (id int PRIMARY KEY, paid boolean NOT NULL)",
	"INSERT INTO public.invoice VALUES (42, false)",
	"CREATE VIEW public.unpaid AS SELECT id FROM public.invoice WHERE NOT paid",
	"CREATE FUNCTION public.message_send(a text, b text, c text) RETURNS text LANGUAGE sql AS 'SELECT a'",
}

// TestServiceMovesInBesideProductAndOut installs Postrider into a product's database, uses it and removes it by the
// statement in the documentation. The product's objects and rows are the same before and after.
func TestServiceMovesInBesideProductAndOut(t *testing.T) {
	t.Parallel()
	database := rig.NewEmptyDatabase(t)
	dump := rig.PGTool(t, database, "pg_dump")
	rig.Execute(t, database, productObjects...)
	before := dumpOf(t, dump, database)

	inPublic := rig.Command(t, rig.Settings(database, "POSTRIDER_SCHEMA=public"), "migrate", "up")
	for _, text := range []string{"table message", "table schema_migrations", "choose another POSTRIDER_SCHEMA"} {
		if inPublic.Code != 1 || !strings.Contains(inPublic.Stderr, text) {
			t.Errorf("in public: exit code %d, stderr %q, want %q", inPublic.Code, inPublic.Stderr, text)
		}
	}
	if after := dumpOf(t, dump, database); after != before {
		t.Error("migrate up changed the database in which it refused the schema")
	}

	if got := marks(t, database, "migrate", "up"); strings.Contains(got, " ") {
		t.Errorf("after migrate up the status is %q", got)
	}
	p := rig.Start(t, rig.Settings(database, "POSTRIDER_MIGRATE=false"), "serve")
	s := p.Service(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t)) // for the default organisation
	c.Call(t, 201, "POST", "/api/v1/app", `{"name": "Acme", "uid": "acme"}`)
	receiver := rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, "acme")
	receiver.Await(t, c.SendMessage(t, "acme"))
	pay(t, database)
	rig.Await(t, func() string {
		if receiver.Distinct() < 2 {
			return "the message of the product's transaction has not arrived"
		}
		return ""
	})
	rig.Execute(t, database, "UPDATE public.invoice SET paid = false") // as before
	p.Stop(t)

	rig.Execute(t, database, documentedRemoval(t))
	if after := dumpOf(t, dump, database); after != before {
		t.Errorf("the product's database was\n%s\nand is\n%s", before, after)
	}
}

// pay changes the product's data and sends a message in the same transaction.
func pay(t *testing.T, database string) {
	t.Helper()
	conn := rig.Must(pgx.Connect(t.Context(), database))(t)
	defer conn.Close(context.WithoutCancel(t.Context()))
	tx := rig.Must(conn.Begin(t.Context()))(t)
	rig.Must(tx.Exec(t.Context(), "UPDATE public.invoice SET paid = true WHERE id = 42"))(t)
	var id, row int64
	rig.NoError(t, tx.QueryRow(t.Context(), `SELECT postrider.message_send('acme', 'invoice.paid', '{"invoice": 42}')`).Scan(&id))
	rig.NoError(t, tx.QueryRow(t.Context(), "SELECT id FROM postrider.outbox").Scan(&row))
	if id != row {
		t.Errorf("message_send returned %d, and the row is %d", id, row)
	}
	rig.NoError(t, tx.Commit(t.Context()))
}

// session matches lines of a dump that differ between two runs of pg_dump.
var session = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// dumpOf returns pg_dump's output about everything in a database, with its rows and privileges.
func dumpOf(t *testing.T, program, database string) string {
	t.Helper()
	text := rig.Must(exec.CommandContext(t.Context(), program, database).Output())(t)
	return session.ReplaceAllString(string(text), "")
}

// removal matches the statement that removes Postrider from a database.
var removal = regexp.MustCompile(`(?m)^DROP SCHEMA postrider CASCADE;$`)

func documentedRemoval(t *testing.T) string {
	t.Helper()
	text := rig.Must(os.ReadFile("../docs/operations.md"))(t)
	statement := removal.FindString(string(text))
	if statement == "" {
		t.Fatal("docs/operations.md does not say how to remove Postrider from a database")
	}
	return statement
}
