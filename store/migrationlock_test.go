package store

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/db"
)

// TestMigrationsLeaveLargeTablesWritable keeps migrations from blocking writes to the tables that every message
// goes through for as long as it takes to read them. The file that creates a table may do what it likes with it,
// because it is empty. Another file must say why blocking is acceptable, in a line of its prose:
//
//	-- blocks writes to delivery: it is as small as the backlog, 2 s for a million rows
func TestMigrationsLeaveLargeTablesWritable(t *testing.T) {
	t.Parallel()
	for file, text := range migrationFiles(t) {
		for _, blocked := range blocking(text) {
			t.Errorf("%s: %s", file, blocked)
		}
	}
}

func TestMigrationsThatBlockWritesAreFound(t *testing.T) {
	t.Parallel()
	const create = "CREATE TABLE attempt (id text) PARTITION BY RANGE (id);\n"
	for text, want := range map[string]int{
		"CREATE INDEX a_idx ON attempt (a);":                                                    1,
		"CREATE UNIQUE INDEX a_idx\nON message USING btree (a);":                                1,
		"CREATE INDEX CONCURRENTLY a_idx ON delivery (a);":                                      0,
		"CREATE INDEX a_idx ON outbox (a);":                                                     0,
		create + "CREATE INDEX a_idx ON attempt (a);":                                           0,
		create + "CREATE INDEX a_idx ON message (a);":                                           1,
		"ALTER TABLE delivery ADD CONSTRAINT a_check CHECK (a > 0);":                            1,
		"ALTER TABLE delivery ADD CONSTRAINT a_check CHECK (a > 0) NOT VALID;":                  0,
		"ALTER TABLE delivery VALIDATE CONSTRAINT a_check;":                                     0,
		"ALTER TABLE message ADD COLUMN a text, ADD COLUMN b int NOT NULL DEFAULT 0;":           0,
		"ALTER TABLE ONLY message ALTER COLUMN a SET NOT NULL;":                                 1,
		"ALTER TABLE message ALTER a TYPE text;":                                                1,
		"-- blocks writes to delivery: small\n-- migrate:up\nCREATE INDEX a ON delivery (a);":   0,
		"-- blocks writes to delivery: small\n-- migrate:up\nCREATE INDEX a ON message (a);":    1,
		"-- blocks writes to delivery:\n-- migrate:up\nCREATE INDEX a ON delivery (a);":         1,
		"SELECT 1;\n-- migrate:down\nCREATE INDEX a ON delivery (a);":                           0,
		"-- migrate:up\n-- CREATE INDEX a ON delivery (a);\nALTER TABLE delivery DROP COLUMN a": 0,
	} {
		if got := blocking(text); len(got) != want {
			t.Errorf("%q: found %q, want %d", text, got, want)
		}
	}
}

var (
	largeTables   = []string{"attempt", "delivery", "message"}
	createIndex   = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX (?:\w+ )?ON (?:ONLY )?(\w+)`) // without CONCURRENTLY
	createTable   = regexp.MustCompile(`^CREATE TABLE (\w+)`)
	alterTable    = regexp.MustCompile(`^ALTER TABLE (?:ONLY )?(\w+) (.*)$`)
	addConstraint = regexp.MustCompile(`\bADD (CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b`)
	readsTable    = regexp.MustCompile(`\b(SET NOT NULL|TYPE|SET DATA TYPE)\b`)
	blocksWrites  = regexp.MustCompile(`(?m)^-- blocks writes to (\w+): \S`)
)

func migrationFiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(db.Migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(db.Migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// blocking lists the statements of a migration that read a large table while nobody can write to it.
func blocking(text string) (found []string) {
	var allowed []string
	for _, match := range blocksWrites.FindAllStringSubmatch(text, -1) {
		allowed = append(allowed, match[1])
	}
	for _, statement := range upStatements(text) {
		table := ""
		if match := createTable.FindStringSubmatch(statement); match != nil {
			allowed = append(allowed, match[1])
		}
		if match := createIndex.FindStringSubmatch(statement); match != nil {
			table = match[1]
		}
		if match := alterTable.FindStringSubmatch(statement); len(match) == 3 && slices.ContainsFunc(clauses(match[2]), reads) {
			table = match[1]
		}
		if slices.Contains(largeTables, table) && !slices.Contains(allowed, table) {
			found = append(found, fmt.Sprintf("blocks writes to %s while it is read: %s", table, statement))
		}
	}
	return found
}

// reads reports whether a clause of ALTER TABLE reads or rewrites the table.
func reads(clause string) bool {
	return addConstraint.MatchString(clause) && !strings.HasSuffix(clause, "NOT VALID") ||
		strings.HasPrefix(clause, "ALTER") && readsTable.MatchString(clause)
}

// upStatements returns the statements of the up migration, without comments and each on one line. It treats those in
// the body of a function as statements as well, which does no harm here.
func upStatements(text string) (list []string) {
	up, _, _ := strings.Cut(text, "-- migrate:down")
	var lines []string
	for line := range strings.Lines(up) {
		code, _, _ := strings.Cut(line, "--")
		lines = append(lines, code)
	}
	for statement := range strings.SplitSeq(strings.Join(lines, " "), ";") {
		if s := strings.Join(strings.Fields(statement), " "); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// clauses splits the clauses of ALTER TABLE at commas outside parentheses.
func clauses(text string) (list []string) {
	depth, begin := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			list = append(list, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	return append(list, strings.TrimSpace(text[begin:]))
}
