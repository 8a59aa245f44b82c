package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// countedWorld has an endpoint with attempts on six days, on the first and the fourth more than one statement counts.
// Two of every seven attempts failed.
type countedWorld struct {
	*world
	endpoint core.Endpoint
	first    time.Time // a midnight
}

const (
	countedDays = 5                // and today
	countedFew  = countEach + 300  // attempts on most days, evenly spread
	countedMany = countStep + 1700 // on the other days
)

func newCountedWorld(t *testing.T) countedWorld {
	t.Helper()
	w := countedWorld{world: newWorld(t), first: now().Truncate(24*time.Hour).AddDate(0, 0, -countedDays)}
	w.endpoint = w.addEndpoint(nil)
	other := w.addEndpoint(nil)
	for n := range countedDays + 1 {
		at := w.first.AddDate(0, 0, n)
		if _, err := w.PartitionCreate(t.Context(), core.AttemptPartition(at)); err != nil {
			t.Fatal(err)
		}
		each := countedFew
		if n%3 == 0 {
			each = countedMany
		}
		w.attempt(w.endpoint, at, 24*time.Hour, each)
		w.attempt(other, at, 24*time.Hour, 10)
	}
	return w
}

// attempt makes n attempts in a period that starts at at, but none in the future.
func (w countedWorld) attempt(e core.Endpoint, at time.Time, span time.Duration, n int) {
	w.t.Helper()
	var ids []string
	for i := range n {
		if began := at.Add(span * time.Duration(i) / time.Duration(n)); began.Before(now()) {
			ids = append(ids, string(core.NewAttemptID(began)))
		}
	}
	w.exec(`
		INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
		SELECT $1, id, 'msg_' || n, $2, '', CASE WHEN n % 7 < 2 THEN 2 ELSE 0 END, 200, '', 1, 0, now()
		FROM unnest($3::text[]) WITH ORDINALITY AS a(id, n)`, e.AppID, e.ID, ids)
}

// there returns what SQL counts without any shortcut.
func (w countedWorld) there(since, until time.Time) (stats core.EndpointAttemptStats) {
	w.t.Helper()
	err := w.pool.QueryRow(w.t.Context(), `
		SELECT count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 2)
		FROM attempt
		WHERE app_id = $1 AND endpoint_id = $2 AND id > $3 AND id < $4`,
		w.app.ID, w.endpoint.ID, core.AttemptIDAt(since), core.AttemptIDAt(until)).Scan(&stats.Succeeded, &stats.Failed)
	if err != nil {
		w.t.Fatal(err)
	}
	return stats
}

func (w countedWorld) counted(since, until time.Time) core.EndpointAttemptStats {
	w.t.Helper()
	stats, err := w.EndpointAttemptStatsGet(w.t.Context(), w.app.ID, w.endpoint.ID, core.StatsPeriod{Since: since, Until: until, Now: now()})
	if err != nil {
		w.t.Fatal(err)
	}
	return stats
}

// wantExact counts a period twice, because stored counts must not change the result.
func (w countedWorld) wantExact(name string, since, until time.Time) {
	w.t.Helper()
	want := w.there(since, until)
	for n := range 2 {
		if got := w.counted(since, until); got != want {
			w.t.Errorf("%s, %s to %s, time %d: %+v, want %+v", name, since.Format(time.RFC3339Nano), until.Format(time.RFC3339Nano), n+1, got, want)
		}
	}
}

func (w countedWorld) keptCounts() int {
	w.t.Helper()
	return value[int](w.world, "SELECT count(*) FROM attempt_count")
}

func TestStatsAreExactWhereverThePeriodEnds(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	day := func(n int) time.Time { return w.first.AddDate(0, 0, n) }
	for _, p := range []struct {
		name         string
		since, until time.Time
	}{
		{"nothing", day(3), day(3)},
		{"backwards", day(4), day(3)},
		{"few attempts", day(3).Add(time.Hour), day(3).Add(2 * time.Hour)},
		{"in a day", day(3).Add(time.Hour), day(3).Add(23 * time.Hour)},
		{"from midnight to midnight", day(1), day(2)},
		{"over midnight", day(2).Add(-4 * time.Millisecond), day(2).Add(4 * time.Millisecond)},
		{"almost a day", day(2).Add(4 * time.Millisecond), day(3).Add(-4 * time.Millisecond)},
		{"until now", day(0), now()},
		{"28 days", now().AddDate(0, 0, -28), now().Add(time.Minute)},
		{"before everything", time.Time{}, time.Time{}.Add(time.Hour)},
	} {
		w.wantExact(p.name, p.since, p.until)
	}
	if w.keptCounts() == 0 {
		t.Error("no count is kept")
	}
	for range 40 {
		since := w.first.Add(time.Duration(rand.Int64N(int64(countedDays * 24 * time.Hour))))
		w.wantExact("random", since, since.Add(time.Duration(rand.Int64N(int64(3*24*time.Hour)))))
	}
	if n := value[int](w.world, "SELECT count(*) FROM attempt_count WHERE until_id >= $1", core.AttemptIDAt(now().Add(-countSettled))); n != 0 {
		t.Errorf("%d counts are kept of what is not settled", n)
	}
	days := countedDays + 1 + 7 // including a week without any attempts
	if rows, most := w.keptCounts(), days+2*(countedMany/countEach)+4*(countedFew/countEach); rows > most {
		t.Errorf("%d counts are kept, want at most %d", rows, most)
	}
}

func TestStatsOfFewAttemptsKeepNothing(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	w.exec("DELETE FROM attempt WHERE right(message_id, 1) <> '7'")
	w.exec("DELETE FROM attempt WHERE right(message_id, 2) <> '17'")
	w.wantExact("few", w.first, now())
	if n := w.keptCounts(); n != 0 {
		t.Errorf("%d counts are kept", n)
	}
}

// statements counts the statements that read attempts.
type statements struct {
	db.DBTX
	counting int
}

func (s *statements) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if queryName.FindStringSubmatch(sql)[1] == "AttemptCountMany" {
		s.counting++
	}
	return s.DBTX.Query(ctx, sql, args...)
}

// Stored counts are not counted again: statements only run at the beginning and at the end of the period.
func TestStatsCountWhatIsKeptNoMore(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	since, until := w.first.Add(10*time.Hour), w.first.Add(4*24*time.Hour+time.Hour)
	want := w.counted(since, until)
	s := &statements{DBTX: w.pool}
	got, err := reader{conn: s}.EndpointAttemptStatsGet(t.Context(), w.app.ID, w.endpoint.ID, core.StatsPeriod{Since: since, Until: until, Now: now()})
	if err != nil || got != want || s.counting != 2 {
		t.Errorf("%+v, %v by %d statements; want %+v by 2", got, err, s.counting, want)
	}
}

// An interrupted count is continued by the next request.
func TestStatsThatAreCutOffMakeProgress(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := counter{conn: cutOff{w.pool, 3, cancel}.pointer(), app: w.app.ID, endpoint: w.endpoint.ID, settled: core.AttemptIDAt(now().Add(-countSettled))}
	if _, err := c.count(ctx, w.first, now()); err == nil {
		t.Error("it was not cut off")
	}
	if w.keptCounts() == 0 {
		t.Error("nothing of it is kept")
	}
	w.wantExact("after that", w.first, now())
}

// cutOff is a pool that cancels the context at the nth transaction.
type cutOff struct {
	counterPool
	left   int
	cancel func()
}

type counterPool interface {
	db.DBTX
	beginner
}

func (c cutOff) pointer() *cutOff { return &c }

func (c *cutOff) Begin(ctx context.Context) (pgx.Tx, error) {
	if c.left--; c.left < 0 {
		c.cancel()
	}
	return c.counterPool.Begin(ctx)
}

func TestStatsAtOnceAgree(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	until := now().Add(-time.Hour)
	want := w.there(w.first, until)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			got, err := w.EndpointAttemptStatsGet(t.Context(), w.app.ID, w.endpoint.ID, core.StatsPeriod{Since: w.first, Until: until, Now: now()})
			if err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
	group.Wait()
	w.wantExact("afterwards", w.first, until)
}

// TestStatsEndWithTheirAttempts drops a week of attempts and creates it again with fewer.
func TestStatsEndWithTheirAttempts(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]string{
		"dropped": "DROP TABLE %s", "detached": "ALTER TABLE attempt DETACH PARTITION %s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCountedWorld(t)
			w.counted(w.first, now())
			partition := partitionName(core.AttemptPartition(w.first))
			w.exec(fmt.Sprintf(drop, partition))
			w.wantExact("without the week", w.first, now())
			if name == "detached" {
				w.exec(fmt.Sprintf("ALTER TABLE %[1]s RENAME TO %[1]s_old", partition))
			}
			if _, err := w.PartitionCreate(t.Context(), core.AttemptPartition(w.first)); err != nil {
				t.Fatal(err)
			}
			w.attempt(w.endpoint, w.first, time.Hour, 100)
			w.wantExact("with another week", w.first, now())
		})
	}
}

// Attempts are counted even if counts cannot be stored: in the schema of the previous release, or where nothing can
// be written.
func TestStatsAreAnsweredWithoutKeepingThem(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{
		"no table":      "DROP TABLE attempt_count",
		"nothing fits":  "ALTER TABLE attempt_count ADD CONSTRAINT attempt_count_none_check CHECK (false)",
		"no partitions": "DELETE FROM attempt_count",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCountedWorld(t)
			w.exec(spoil)
			if name == "no partitions" { // everything is in the default partition
				w.exec("ALTER TABLE attempt DETACH PARTITION " + partitionName(core.AttemptPartition(w.first)))
				w.exec("INSERT INTO attempt SELECT * FROM " + partitionName(core.AttemptPartition(w.first)))
				w.exec("DROP TABLE " + partitionName(core.AttemptPartition(w.first)))
			}
			w.wantExact(name, w.first, now())
			if _, err := w.queue().DeliveryRecord(t.Context(), w.late(w.first)); err != nil {
				t.Errorf("a late attempt: %v", err)
			}
			w.wantExact(name, w.first, now())
		})
	}
}

func TestStatsThatAreOldAreForgotten(t *testing.T) {
	t.Parallel()
	w := newCountedWorld(t)
	w.counted(w.first, now())
	all, middle := w.keptCounts(), w.first.AddDate(0, 0, 2)
	deleted, err := w.AttemptCountPrune(t.Context(), middle)
	if left := w.keptCounts(); err != nil || deleted == 0 || left == 0 || int(deleted)+left != all {
		t.Errorf("deleted %d of %d, %d are left, %v", deleted, all, left, err)
	}
	if n := value[int](w.world, "SELECT count(*) FROM attempt_count WHERE until_id < $1", core.AttemptIDAt(middle)); n != 0 {
		t.Errorf("%d old ones are left", n)
	}
	w.wantExact("after that", w.first, now())
}
