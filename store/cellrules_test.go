package store

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests of this file, and TestMigrationsUseTheSimpleProtocol, keep the rules of docs/adr/0021-cells.md: they let a
// schema move into a Citus cluster. `make check-cells` runs them by name.

// TestMigrationsAddConstraintsAlone exists because Citus refuses an ALTER TABLE that does more than add a constraint.
func TestMigrationsAddConstraintsAlone(t *testing.T) {
	t.Parallel()
	for file, text := range migrationFiles(t) {
		for _, statement := range besideConstraints(text) {
			t.Errorf("%s: adds a constraint and does something else: %s", file, statement)
		}
	}
}

func TestConstraintsAddedBesideOthersAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"ALTER TABLE a ADD CONSTRAINT a_check CHECK (b IN (1, 2));":                                   0,
		"ALTER TABLE ONLY a\n    ADD CONSTRAINT a_pkey PRIMARY KEY (a, b);":                           0,
		"ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT '', ADD COLUMN c text;":                     0,
		"ALTER TABLE a DROP CONSTRAINT a_check;\nALTER TABLE a ADD CHECK (b > 0);":                    0,
		"ALTER TABLE a ADD COLUMN b int,\n    ADD CONSTRAINT a_check CHECK (b > 0);":                  1,
		"ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (b);":                                  1,
		"ALTER TABLE a ADD CONSTRAINT b CHECK (b > 0), ADD CONSTRAINT c CHECK (c > 0);":               1,
		"ALTER TABLE IF EXISTS a ADD b int, ADD UNIQUE (b);":                                          1,
		"ALTER TABLE a ADD COLUMN b int CHECK (b > 0);":                                               1,
		"ALTER TABLE a ADD COLUMN b text REFERENCES c (id);":                                          1,
		"ALTER TABLE a ADD b int UNIQUE;":                                                             1,
		"SELECT 1;\n-- migrate:down\nALTER TABLE a DROP COLUMN b, ADD CONSTRAINT c CHECK (c > 0);":    1,
		"-- ALTER TABLE a DROP COLUMN b, ADD CHECK (c > 0);\nALTER TABLE a ADD COLUMN checked_at int": 0,
	} {
		if got := besideConstraints(text); len(got) != want {
			t.Errorf("%q: found %q, want %d", text, got, want)
		}
	}
}

// addsColumn matches a clause of ALTER TABLE that adds a column, and columnConstraint what makes a constraint of it.
var (
	addsColumn       = regexp.MustCompile(`^ADD (?:COLUMN )?(?:IF NOT EXISTS )?[a-z_]+ `)
	columnConstraint = regexp.MustCompile(`\b(CONSTRAINT|CHECK|UNIQUE|PRIMARY KEY|REFERENCES)\b`)
)

// besideConstraints lists the statements of a migration, up and down, that add a constraint and do something else.
func besideConstraints(text string) (found []string) {
	for part := range strings.SplitSeq(text, "-- migrate:down") {
		for _, statement := range upStatements(part) {
			match := alterTable.FindStringSubmatch(statement)
			if match == nil {
				continue
			}
			all := clauses(match[2])
			if addConstraint.MatchString(match[2]) && len(all) > 1 || slices.ContainsFunc(all, func(clause string) bool {
				return addsColumn.MatchString(clause) && columnConstraint.MatchString(clause)
			}) {
				found = append(found, statement)
			}
		}
	}
	return found
}

// TestTablesHaveNoTriggers exists because Citus refuses triggers. Foreign keys have triggers of their own, which it allows.
func TestTablesHaveNoTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, found := range value[[]string](w, `
		SELECT coalesce(array_agg(pg_get_triggerdef(oid) ORDER BY tgname), '{}')
		FROM pg_trigger
		WHERE NOT tgisinternal`) {
		t.Error(found)
	}
	for _, found := range value[[]string](w, `
		SELECT coalesce(array_agg(oid::regprocedure::text ORDER BY proname), '{}')
		FROM pg_proc
		WHERE prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
			AND pronamespace = current_schema()::regnamespace`) {
		t.Errorf("%s is for a trigger", found)
	}
}

// TestQueriesCastVoidFunctions exists because Citus refuses a CTE with a column of type void. Notifications are not sent
// from a CTE at all.
func TestQueriesCastVoidFunctions(t *testing.T) {
	t.Parallel()
	void := value[[]string](newWorld(t), "SELECT array_agg(DISTINCT proname ORDER BY proname) FROM pg_proc WHERE prorettype = 'void'::regtype")
	calls := 0
	eachQuery(t, func(file, name string, lines []string) {
		found, n := uncastVoid(strings.Join(lines, "\n"), void)
		for _, problem := range found {
			t.Errorf("%s of queries/%s: %s", name, file, problem)
		}
		calls += n
	})
	if calls < 10 {
		t.Errorf("found %d calls of functions that return void; there were 17", calls)
	}
}

func TestUncastVoidFunctionsAreFound(t *testing.T) {
	t.Parallel()
	void := []string{"pg_advisory_xact_lock", "pg_notify"}
	for text, want := range map[string]string{
		"SELECT pg_notify('a', 'it''s (')::text;":                                                    "",
		"SELECT pg_try_advisory_xact_lock(1);":                                                       "",
		"WITH a AS (SELECT 1) SELECT (SELECT pg_notify('a', '')::text FROM a LIMIT 1) AS b;":         "",
		"WITH a AS MATERIALIZED (SELECT f(pg_advisory_xact_lock(hash(1, (2)))::text = '')) SELECT 1": "",
		"SELECT 1 -- pg_notify('a', '')":                                                             "",
		"SELECT pg_notify('a', '');":                                                                 "pg_notify is not cast",
		"SELECT pg_catalog.pg_notify ('a', f(')'))":                                                  "pg_notify is not cast",
		"SELECT 1 FROM a CROSS JOIN pg_notify('a', '');":                                             "pg_notify is not cast",
		"WITH a AS (SELECT pg_advisory_xact_lock(1)) SELECT 1":                                       "pg_advisory_xact_lock is not cast",
		"WITH a AS (SELECT 1), b AS (SELECT pg_notify('a', '')::text) SELECT 1":                      "pg_notify is called in a CTE",
		"WITH RECURSIVE a(n) AS NOT MATERIALIZED (SELECT (pg_notify('a', '')::text)) SELECT 1":       "pg_notify is called in a CTE",
		"SELECT (WITH a AS (SELECT pg_notify('a', '')::text) SELECT 1)":                              "pg_notify is called in a CTE",
	} {
		if got, _ := uncastVoid(text, void); strings.Join(got, ", ") != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

var (
	lineComment   = regexp.MustCompile(`--.*`)
	stringLiteral = regexp.MustCompile(`'[^']*'`)
	anyCall       = regexp.MustCompile(`\b([a-z_]+) ?\(`)
	beginsCTE     = regexp.MustCompile(`\bAS (?:(?:NOT )?MATERIALIZED )?\($`)
)

// uncastVoid lists the calls of the given functions whose value stays void, and those of pg_notify in a CTE. It also
// returns how many calls there are.
func uncastVoid(text string, void []string) (found []string, calls int) {
	text = stringLiteral.ReplaceAllString(lineComment.ReplaceAllString(text, ""), "''")
	text = strings.Join(strings.Fields(text), " ")
	ends := parentheses(text)
	for _, at := range anyCall.FindAllStringSubmatchIndex(text, -1) {
		name, open := text[at[2]:at[3]], at[1]-1
		if !slices.Contains(void, name) {
			continue
		}
		calls++
		if !strings.HasPrefix(text[ends[open]:], ")::") {
			found = append(found, name+" is not cast")
		}
		for begin, end := range ends {
			if name == "pg_notify" && begin < open && open < end && beginsCTE.MatchString(text[:begin+1]) {
				found = append(found, name+" is called in a CTE")
			}
		}
	}
	return found, calls
}

// parentheses maps where each opens to where it closes.
func parentheses(text string) map[int]int {
	ends := map[int]int{}
	var open []int
	for i, r := range text {
		switch {
		case r == '(':
			open = append(open, i)
		case r == ')' && len(open) > 0:
			ends[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	return ends
}
