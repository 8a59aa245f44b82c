package store

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

const dbaPage = "../docs/dba.md"

// newBareWorld returns a database without partitions of weeks, which the documentation does not list.
func newBareWorld(t *testing.T) *world {
	t.Helper()
	database := empty.New(t)
	if err := Migrate(t.Context(), Database{URL: database}); err != nil {
		t.Fatal(err)
	}
	w := &world{Store: openStore(t, database, nil), t: t}
	w.app = w.addApplication(testOrg, "acme")
	return w
}

// dbaLists are the tables of the page that are generated, each by a query that returns one line of Markdown per row.
var dbaLists = map[string]struct{ head, sql string }{
	"tables": {"| table | what it holds |\n|---|---|\n", `
		SELECT format('| %s | %s |', '` + "`'" + ` || relname || '` + "`'" + `, obj_description(oid, 'pg_class'))
		FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace
			AND relkind IN ('r', 'p')
			AND relname NOT LIKE 'schema_migrations%'
			AND (NOT relispartition OR relname LIKE '%default')
		ORDER BY relname`},
	"views": {"| view | what it shows |\n|---|---|\n", `
		SELECT format('| %s | %s |', '` + "`'" + ` || relname || '` + "`'" + `, obj_description(oid, 'pg_class'))
		FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace
			AND relkind = 'v'
		ORDER BY relname`},
	"indexes": {"| index | of | what it is for |\n|---|---|---|\n", `
		SELECT format(
			'| %s | %s | %s |', '` + "`'" + ` || index.relname || '` + "`'" + `,
			substring(replace(pg_get_indexdef(index.oid), ' WHERE (', ' if (') FROM 'USING \w+ (.*)$'),
			obj_description(index.oid, 'pg_class')
		)
		FROM pg_index
		JOIN pg_class AS index ON index.oid = indexrelid
		JOIN pg_class AS indexed ON indexed.oid = indrelid
		WHERE index.relnamespace = current_schema()::regnamespace
			AND NOT index.relispartition
			AND indexed.relname NOT LIKE 'schema_migrations%'
			AND NOT indexed.relispartition
		ORDER BY indexed.relname, NOT indisprimary, index.relname`},
	"settings": {"| table | settings |\n|---|---|\n", `
		SELECT format('| %s | %s |', '` + "`'" + ` || relname || '` + "`'" + `, array_to_string(reloptions, ', '))
		FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace
			AND relkind IN ('r', 'p')
			AND NOT relispartition
			AND reloptions IS NOT NULL
		ORDER BY relname`},
}

// TestDBAPageListsTheSchema compares the lists of the page with the catalog. With -update it writes them anew.
func TestDBAPageListsTheSchema(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t)
	page, err := os.ReadFile(dbaPage)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for name, list := range dbaLists {
		place := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]*-->\n).*?(<!-- end -->\n)`)
		if !place.MatchString(want) {
			t.Errorf("%s has no place for the %s", dbaPage, name)
		}
		rows, err := w.pool.Query(t.Context(), list.sql)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(lines) == 0 {
			t.Fatalf("%d %s: %v", len(lines), name, err)
		}
		text := list.head + strings.Join(lines, "\n") + "\n"
		want = place.ReplaceAllStringFunc(want, func(old string) string {
			parts := place.FindStringSubmatch(old)
			return parts[1] + text + parts[2]
		})
	}
	if *update {
		if err := os.WriteFile(dbaPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s does not list what the migrations make; make generate writes it anew", dbaPage)
	}
}

// TestDBAPageStatementsRun executes every statement of the page, with the search_path of psql. Each query must find
// something.
func TestDBAPageStatementsRun(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t)
	message := w.incident()
	page, err := os.ReadFile(dbaPage)
	if err != nil {
		t.Fatal(err)
	}
	_, questions, _ := strings.Cut(string(page), "\n## Twelve questions")
	block := regexp.MustCompile("(?s)```sql\n(.*?)```")
	if n := len(block.FindAllString(questions, -1)); n != 12 {
		t.Errorf("%d questions have a statement, want 12", n)
	}
	config := w.pool.Config().ConnConfig.Copy()
	delete(config.RuntimeParams, "search_path")
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(context.WithoutCancel(t.Context()), conn)
	for _, found := range block.FindAllStringSubmatch(string(page), -1) {
		sql := strings.NewReplacer("'app_...'", "'"+string(w.app.ID)+"'", "'msg_...'", "'"+string(message)+"'").Replace(found[1])
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		for _, r := range results {
			if r.CommandTag.Select() && len(r.Rows) == 0 {
				t.Errorf("finds nothing: %s", sql)
			}
		}
	}
}

// incident fills the database with something for each question, and returns a message that was attempted. One
// connection waits for another's lock until the test ends.
func (w *world) incident() core.MessageID {
	w.t.Helper()
	ctx := w.t.Context()
	for _, parent := range []string{"message", "attempt"} {
		old := core.Partition{Table: parent, Suffix: "20240101", From: "", To: "a"}
		prefix := map[string]string{"message": "msg_", "attempt": "atmpt_"}[parent]
		old.From = value[string](w, "SELECT id_floor($1, '2024-01-01Z')", prefix)
		old.To = value[string](w, "SELECT id_floor($1, '2024-01-08Z')", prefix)
		if _, err := w.PartitionCreate(ctx, old); err != nil {
			w.t.Fatal(err)
		}
	}
	e := w.addEndpoint(nil)
	ids := w.send(2)
	w.sweep(now())
	for _, d := range w.claim(room()) {
		w.record(result(d, now().Add(-1)))
	}
	w.exec("UPDATE endpoint SET failing_since = now(), failures = 2 WHERE id = $1", e.ID)
	w.leave("acme", "{}")
	w.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
		VALUES (1, 'org_a', 'acme', 'a', '{}', now(), 'refused', now())`)
	holder, err := w.pool.Begin(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error)
	w.t.Cleanup(func() {
		rollback(context.WithoutCancel(ctx), holder)
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	if _, err := holder.Exec(ctx, fmt.Sprintf("UPDATE endpoint SET failures = 3 WHERE id = '%s'", e.ID)); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_, err := w.pool.Exec(context.WithoutCancel(ctx), "UPDATE endpoint SET failures = 4 WHERE id = $1", e.ID)
		ended <- err
	}()
	w.awaitLock()
	return ids[0]
}
