package store

import (
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// asTheyAre are the statistics that ANALYZE made.
const asTheyAre = "statistics as they are"

// forcedStatistics are false numbers of pages and rows that pg_class may hold for delivery and its indexes: after a
// vacuum while nothing was owed, after one at the wrong moment, and after a burst.
var forcedStatistics = []string{"(1, 0)", "(33, 1)", "(1000, 50)"}

const (
	rowsPerRow  = 20  // rows that a query may read for each row it returns or writes
	rowsAtLeast = 200 // rows that any query may read: one of each partition, and some more
	rowsAtMost  = 20_000
	hotRatio    = 3 // buffers on the hot path, relative to an empty database
)

// planVersion is the Postgres version of plans/. Other versions may choose other plans, and only have to keep the
// bounds.
const planVersion = 15

// planReaders is how many connections read plans at the same time.
const planReaders = 3

// TestPlans compares the rows and buffers that each query reads with plans/*.txt and with bounds, in every mode and
// with statistics that do not match the tables. With -update it rewrites the files.
func TestPlans(t *testing.T) {
	t.Parallel()
	began := time.Now()
	full := newSeeded(t, fullSeed)
	t.Logf("seeded after %.1f s", time.Since(began).Seconds())
	cases := full.cases()
	all := make([]planned, len(cases))
	for i, c := range cases {
		all[i].queryCase = c
	}
	full.readAll(t, all, asTheyAre, func(planned) bool { return true })
	forced := forcedStatistics
	if testing.Short() {
		forced = forced[:1]
	}
	for _, statistics := range forced {
		full.force(t, statistics)
		full.readAll(t, all, statistics, planned.readsQueue)
		t.Logf("read with %s after %.1f s", statistics, time.Since(began).Seconds())
	}
	judgeAll(t, all, emptyBuffers(t))
	if version := full.version(t); version != planVersion || testing.Short() || *planHistory != "" {
		t.Logf("plans/ is not compared: it is of Postgres %d, all statistics and no other history; this is Postgres %d", planVersion, version)
		return
	}
	compareFiles(t, all)
}

// version returns the server's major version.
func (s *seeded) version(t *testing.T) (version int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// readAll reads the plans of cases. Those that write run one after the other, so that none reads more or less because
// of what another one left.
func (s *seeded) readAll(t *testing.T, all []planned, statistics string, wanted func(planned) bool) {
	t.Helper()
	var readers, writers []*planned
	for i := range all {
		switch c := &all[i]; {
		case !wanted(*c) || c.endless():
		case writes.MatchString(c.sql):
			writers = append(writers, c)
		default:
			readers = append(readers, c)
		}
	}
	var group sync.WaitGroup
	next := make(chan *planned)
	for range planReaders {
		group.Go(func() {
			for c := range next {
				s.readOne(t, c, statistics)
			}
		})
	}
	for _, c := range readers {
		next <- c
	}
	close(next)
	group.Wait()
	for _, c := range writers {
		s.readOne(t, c, statistics)
	}
}

var writes = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)\b`)

func (s *seeded) readOne(t *testing.T, c *planned, statistics string) {
	t.Helper()
	began := time.Now()
	defer func() {
		if took := time.Since(began); took > time.Second {
			t.Logf("%s, %s, %s: %.1f s", c.query, c.name, statistics, took.Seconds())
		}
	}()
	err := s.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		readings, err := planReader{conn.Conn(), s.catalog}.read(t.Context(), c.queryCase)
		for _, r := range readings {
			r.statistics = statistics
			c.readings = append(c.readings, r)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s, %s, %s: %v", c.query, c.name, statistics, err)
	}
}

// readsQueue reports whether the case involves the table whose statistics are forced.
func (c planned) readsQueue() bool {
	for _, r := range c.readings {
		for way := range r.paths {
			if strings.HasPrefix(way, "delivery: ") {
				return true
			}
		}
	}
	return false
}

// endless reports whether the case was cancelled once, which is enough.
func (c planned) endless() bool {
	return slices.ContainsFunc(c.readings, func(r configured) bool { return r.endless })
}

// force sets the pages and rows of delivery and its indexes in pg_class, and removes what earlier statements left in
// the tables.
func (s *seeded) force(t *testing.T, statistics string) {
	t.Helper()
	s.exec(t, "VACUUM delivery, endpoint")
	s.exec(t, `
		WITH forced AS (SELECT relpages, reltuples FROM (VALUES `+statistics+`) AS forced(relpages, reltuples))
		UPDATE pg_class
		SET relpages = forced.relpages,
			reltuples = forced.reltuples
		FROM forced
		WHERE oid = 'delivery'::regclass
			OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'delivery'::regclass)`)
}

// emptyBuffers returns how many buffers the cases of the hot path need in an otherwise empty database, by query and
// name.
func emptyBuffers(t *testing.T) map[string]float64 {
	t.Helper()
	empty := newSeeded(t, emptySeed)
	var all []planned
	for _, c := range empty.cases() {
		if c.hot {
			all = append(all, planned{queryCase: c})
		}
	}
	empty.readAll(t, all, asTheyAre, func(planned) bool { return true })
	buffers := map[string]float64{}
	for _, c := range all {
		i := slices.IndexFunc(c.readings, func(r configured) bool { return r.mode == "custom" })
		buffers[c.query+": "+c.name] = float64(c.readings[i].buffers) / float64(c.things(c.readings[i].reading))
	}
	return buffers
}

// things returns how many things a reading was about.
func (c queryCase) things(r reading) int { return max(c.of, r.returned, 1) }

// rowsAllowed returns how many rows a case may read.
func (c queryCase) rowsAllowed(r reading) int {
	if c.most > 0 {
		return c.most
	}
	return min(rowsPerRow*c.things(r)+rowsAtLeast, rowsAtMost)
}

// judgeAll checks that the cases keep their bounds, except those that are expected to break one.
func judgeAll(t *testing.T, all []planned, empty map[string]float64) {
	t.Helper()
	broken := map[string][]string{}
	for _, c := range all {
		broken[c.query] = append(broken[c.query], c.judge(empty)...)
	}
	for query, complaints := range broken {
		reason, expected := planExceptions[query]
		switch {
		case expected && len(complaints) == 0:
			t.Errorf("%s breaks no bound any more: remove it from planExceptions", query)
		case expected:
			t.Logf("%s, expected (%s):\n    %s", query, reason, strings.Join(complaints, "\n    "))
		case len(complaints) > 0:
			t.Errorf("%s:\n    %s", query, strings.Join(complaints, "\n    "))
		}
	}
}

// judge reports each bound that a case breaks, under the configuration in which it exceeds the bound most.
func (c planned) judge(empty map[string]float64) (complaints []string) {
	worst := func(excess func(configured) float64, say func(configured) string) {
		if len(c.readings) == 0 {
			return
		}
		r := slices.MaxFunc(c.readings, func(a, b configured) int { return cmp.Compare(excess(a), excess(b)) })
		if excess(r) > 1 {
			complaints = append(complaints, fmt.Sprintf("%s, %s, %s: %s", c.name, r.mode, r.statistics, say(r)))
		}
	}
	worst(
		func(r configured) float64 { return float64(r.rows) / float64(c.rowsAllowed(r.reading)) },
		func(r configured) string {
			return fmt.Sprintf("reads %d rows for %d, want at most %d", r.rows, c.things(r.reading), c.rowsAllowed(r.reading))
		},
	)
	for _, r := range c.readings {
		if r.spilled || r.endless {
			complaints = append(complaints, fmt.Sprintf("%s, %s, %s: %s", c.name, r.mode, r.statistics,
				map[bool]string{true: "sorts or hashes on disk", false: fmt.Sprintf("does not end within %v", planPatience)}[r.spilled]))
		}
	}
	least := empty[c.query+": "+c.name]
	if c.hot {
		worst(
			func(r configured) float64 {
				return float64(r.buffers) / float64(c.things(r.reading)) / (hotRatio * least)
			},
			func(r configured) string {
				return fmt.Sprintf("reads %d buffers for %d rows, %.1f a row; %.1f in an empty database",
					r.buffers, c.things(r.reading), float64(r.buffers)/float64(c.things(r.reading)), least)
			},
		)
	}
	return complaints
}

// compareFiles compares the readings with the committed files, or rewrites the files.
func compareFiles(t *testing.T, all []planned) {
	t.Helper()
	files := map[string][]planned{}
	of := queryFiles(t)
	for _, c := range all {
		files[of[c.query]] = append(files[of[c.query]], c)
	}
	for name, cases := range files {
		path := filepath.Join("..", "plans", name+".txt")
		old, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		fresh := render(cases, parseFigures(string(old)))
		switch {
		case fresh == string(old):
		case *update:
			if err := os.WriteFile(path, []byte(fresh), 0o666); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("plans/%s.txt is not what was read; if that is meant, run go test ./store -run TestPlans -update\n%s",
				name, difference(string(old), fresh))
		}
	}
}

// queryFiles returns the generated statements, each with its file in queries/.
func queryFiles(t *testing.T) map[string]string {
	t.Helper()
	of := map[string]string{}
	paths, err := fs.Glob(os.DirFS(filepath.Join("..", "db")), "*.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "db", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			if method, is := declared.(*ast.FuncDecl); is && method.Recv != nil {
				of[method.Name.Name] = strings.TrimSuffix(path, ".sql.go")
			}
		}
	}
	return of
}

// TestPlansAreOfAllQueries fails if a query has neither a case nor an entry in withoutPlans.
func TestPlansAreOfAllQueries(t *testing.T) {
	t.Parallel()
	has := map[string]bool{}
	for _, c := range (&seeded{}).cases() {
		has[c.query] = true
	}
	for query, file := range queryFiles(t) {
		if why, planless := withoutPlans[query]; has[query] == planless {
			t.Errorf("%s of queries/%s.sql: has a case %t, and needs none %t (%s)", query, file, has[query], planless, why)
		}
	}
}

// TestPlansObeyTheMode checks that plans are made in the mode they are recorded under: SET plan_cache_mode does not
// affect EXPLAIN with parameters.
func TestPlansObeyTheMode(t *testing.T) {
	t.Parallel()
	s := openStore(t, pg.Shared(t), nil)
	err := s.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		r := planReader{conn: conn.Conn()}
		if _, err := r.conn.Prepare(t.Context(), "planned", "SELECT id FROM application WHERE org_id = $1 AND id = $2"); err != nil {
			return err
		}
		for mode, want := range map[string]string{"force_generic_plan": "$1", "force_custom_plan": "'org_1'::text"} {
			plan, err := r.run(context.WithoutCancel(t.Context()), "BEGIN; SET LOCAL plan_cache_mode = "+mode+
				"; EXPLAIN (FORMAT JSON) EXECUTE planned('org_1', 'app_1'); ROLLBACK")
			if err != nil {
				return err
			}
			if !strings.Contains(plan, want) {
				t.Errorf("%s: no %s in\n%s", mode, want, plan)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
