package store

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// planAttempts is the number of attempts for which plans are checked: few in every test run, five million in `make
// check-queries`.
var planAttempts = flag.Int("attempts", 20_000, "how many attempts TestListsReadWhatTheyShow makes")

// These constants describe planWorld: every message goes to every endpoint, at planInstants instants of the last
// weeks.
const (
	planEndpoints = 5
	planInstants  = 40
	planFailures  = 100 // one attempt in a hundred failed
	planPage      = 51  // a page plus one
	anyRows       = -1  // as many as match among the rows that a page looks at
)

// explained is a connection that also explains each query, including the number of rows that it actually read.
type explained struct {
	db.DBTX
	plans []string
}

func (e *explained) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var text string
	if err := e.DBTX.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		return nil, err
	}
	e.plans = append(e.plans, text)
	return e.DBTX.Query(ctx, sql, args...)
}

func (e *explained) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	var text string
	if err := e.DBTX.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, args...).Scan(&text); err == nil {
		e.plans = append(e.plans, text)
	}
	return e.DBTX.QueryRow(ctx, sql, args...)
}

func (e *explained) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	var text string
	if err := e.DBTX.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		return pgconn.CommandTag{}, err
	}
	e.plans = append(e.plans, text)
	return e.DBTX.Exec(ctx, sql, args...)
}

// planNode contains the fields of a plan that we look at.
type planNode struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Fetches  float64 `json:"Heap Fetches"`
	Plans    []planNode
}

// read returns how many rows of tables the plan read, and records how it read them.
func (n planNode) read(how map[string]string) (rows float64) {
	if n.Relation != "" && n.Loops > 0 {
		how[n.Relation] = n.Type
		rows = (n.Rows + n.Removed) * n.Loops
	}
	for _, child := range n.Plans {
		rows += child.read(how)
	}
	return rows
}

// TestListsReadWhatTheyShow keeps the API's lists from reading more than a page of their rows, however many there
// are, with plans for specific parameters. TestPlans checks plans for any parameters.
func TestListsReadWhatTheyShow(t *testing.T) {
	t.Parallel()
	w := newPlanWorld(t)
	for name, settings := range planners() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			under, err := w.pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer rollback(context.WithoutCancel(t.Context()), under)
			for _, setting := range settings {
				if _, err := under.Exec(t.Context(), "SET LOCAL "+setting); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range w.lists() {
				w.look(t, under, c)
			}
		})
	}
}

// planners returns settings under which the planner makes choices that have other causes elsewhere. Postgres 18 does
// not add the cost of a disabled scan to that of a subquery, and so it hashed all messages for a page of attempts;
// here look-ups are made expensive instead. The cost of a disabled scan is 1e10. A hundred look-ups cost as much, but
// reading a list by its index does not, however long it is.
func planners() map[string][]string {
	dear := fmt.Sprintf("random_page_cost = %d", 2_000_000_000_000 / *planAttempts)
	return map[string][]string{
		"as it is":             nil,
		"dear look-ups":        {dear},
		"dear look-ups, joins": {dear, "enable_nestloop = off", "enable_memoize = off"},
	}
}

// look reads a list and checks its plans.
func (w planWorld) look(t *testing.T, conn db.DBTX, c planCase) {
	t.Helper()
	e := &explained{DBTX: conn}
	rows, err := c.read(reader{conn: e})
	if err != nil || rows != c.rows && c.rows != anyRows {
		t.Errorf("%s: %d rows, %v; want %d", c.name, rows, err, c.rows)
	}
	for _, plan := range e.plans {
		c.judge(t, plan)
	}
	if len(e.plans) == 0 {
		t.Errorf("%s: no plan was looked at", c.name)
	}
}

// judge checks a plan: it must read tables by their indexes, and no more rows than the list may read.
func (c planCase) judge(t *testing.T, text string) {
	t.Helper()
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		t.Fatal(err)
	}
	how := map[string]string{}
	if read := plans[0].Plan.read(how); c.most > 0 && read > float64(c.most) {
		t.Errorf("%s: read %.0f rows, want at most %d\n%s", c.name, read, c.most, text)
	}
	for table, node := range how {
		if node == "Seq Scan" {
			t.Errorf("%s: reads %s by %s\n%s", c.name, table, node, text)
		}
	}
}

// planCase is a list, the number of rows it shows and the number of rows it may read for that.
type planCase struct {
	name string
	read func(reader) (int, error)
	rows int
	most int // 0 if unspecified
}

// planWorld has an endpoint with a fifth of all attempts.
type planWorld struct {
	*world
	endpoint core.EndpointID
	messages int
}

func newPlanWorld(t *testing.T) planWorld {
	t.Helper()
	w := planWorld{world: newWorld(t), messages: *planAttempts / planEndpoints}
	for i := range planEndpoints {
		e := w.addEndpoint(nil)
		if i == 0 {
			w.endpoint = e.ID
		}
	}
	each := w.messages / planInstants
	for n := range planInstants {
		at := now().Add(-time.Duration(planInstants-n) * 12 * time.Hour)
		for _, p := range core.PartitionsAround(at) {
			if _, err := w.PartitionCreate(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		w.fill(at, each)
	}
	w.messages = each * planInstants
	w.exec("VACUUM ANALYZE message, attempt, delivery, endpoint")
	return w
}

// fill creates n messages at an instant and an attempt at each endpoint for each of them. One in ten failed messages
// will be retried.
func (w planWorld) fill(at time.Time, n int) {
	w.t.Helper()
	w.exec(`
		INSERT INTO message (app_id, id, event_type, channels, payload, expires_at, created_at)
		SELECT $1, left($2, 21) || lpad(n::text, 10, '0'), 'type.' || n % 50, ARRAY['c' || n % 1000], '{}', $3, $3
		FROM generate_series(1, $4::int) AS n`, w.app.ID, core.MessageIDAt(at), at.AddDate(0, 0, 90), n)
	w.exec(`
		INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response,
			duration_ms, trigger, created_at)
		SELECT $1, left($2, 23) || lpad((n * 10 + e.k)::text, 10, '0'), left($3, 21) || lpad(n::text, 10, '0'), e.id,
			'https://hooks.example/', CASE WHEN n % $6::int = 0 THEN 2 ELSE 0 END, CASE WHEN n % $6::int = 0 THEN 500 ELSE 200 END,
			'', 10, 0, $4
		FROM generate_series(1, $5::int) AS n
		CROSS JOIN (SELECT id, row_number() OVER (ORDER BY id) AS k FROM endpoint WHERE app_id = $1) AS e`,
		w.app.ID, core.AttemptIDAt(at), core.MessageIDAt(at), at, n, planFailures)
	w.exec(`
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts)
		SELECT $1, left($2, 21) || lpad(n::text, 10, '0'), e.id, now() + interval '1 hour', 1, 1
		FROM generate_series($4::int, $3::int, $4::int) AS n
		CROSS JOIN endpoint AS e
		WHERE e.app_id = $1 AND n % ($4::int * 10) = 0`, w.app.ID, core.MessageIDAt(at), n, planFailures)
}

// lists returns the lists that choose from many rows. Each reads the rows it shows from a few partitions at a time,
// and one row from each further partition.
func (w planWorld) lists() []planCase {
	const page, peek = planPage, 60                // the partitions of the window, twice
	const lookups = 4*lookedUpMost + 2*page + peek // of each status, with a message for each
	down := core.Page{Before: "~", Limit: page, Descending: true}
	up := core.Page{Before: "~", Limit: page}
	middle := down
	middle.Before = string(core.AttemptIDAt(now().AddDate(0, 0, -10)))
	ctx := w.t.Context()
	attempts := func(f core.AttemptFilter, p core.Page) func(reader) (int, error) {
		return func(r reader) (int, error) {
			rows, _, err := r.AttemptListByEndpoint(ctx, w.app.ID, w.endpoint, f, p)
			return len(rows), err
		}
	}
	attempted := func(status *core.AttemptStatus, p core.Page, types ...string) func(reader) (int, error) {
		first := core.AttemptIDAt(now().AddDate(0, 0, -30))
		filter := core.AttemptedMessageFilter{Status: status, MessageFilter: core.MessageFilter{EventTypes: types}}
		return func(r reader) (int, error) {
			rows, _, err := r.AttemptedMessageList(ctx, w.app.ID, w.endpoint, filter, first, p)
			return len(rows), err
		}
	}
	failed := min(page, planInstants*(w.messages/planInstants/planFailures))
	cases := []planCase{
		{name: "counts", read: w.counts, rows: w.messages, most: 2 * countStep},
		{name: "a message's attempts", read: w.byMessage, rows: planEndpoints, most: 3 * peek},
		{name: "destinations", read: w.destinationCount, rows: planEndpoints, most: 3 * peek},
		{name: "some messages", read: w.someMessages, rows: page, most: 2*page + peek},
		{name: "expunging", read: w.expunge, rows: 1, most: 3 * peek},
		{name: "attempts in the middle", read: attempts(core.AttemptFilter{}, middle), rows: page, most: 2*page + peek},
	}
	byType := core.MessageFilter{EventTypes: []string{"type.0"}} // also for all failed messages
	for order, p := range map[string]core.Page{"newest": down, "oldest": up} {
		cases = append(cases,
			planCase{name: order + " attempts by type", read: attempts(core.AttemptFilter{MessageFilter: byType}, p), rows: anyRows, most: lookups},
			planCase{name: order + " attempted messages by type", read: attempted(nil, p, "type.0"), rows: anyRows, most: lookups},
			planCase{name: order + " that succeeded by type", read: attempted(new(core.StatusSuccess), p, "type.0"), rows: anyRows, most: lookups},
			planCase{name: order + " that failed by type", read: attempted(new(core.StatusFail), p, "type.0"), rows: w.failed(false), most: 5 * lookups},
			planCase{name: order + " that will be tried again by type", read: attempted(new(core.StatusSending), p, "type.0"), rows: min(w.failed(true), lookedFarMost/10), most: 5 * lookups},
			planCase{name: order + " attempts of a message by type", read: w.byMessageOf(byType, p), rows: 0, most: 3 * peek},
			planCase{name: order + " messages by type", rows: page, most: lookedMost + peek, read: func(r reader) (int, error) {
				rows, _, err := r.MessageList(ctx, w.app.ID, byType, p)
				return len(rows), err
			}},
			planCase{name: order + " attempts", read: attempts(core.AttemptFilter{}, p), rows: page, most: 2*page + peek},
			planCase{name: order + " failures", read: attempts(core.AttemptFilter{Status: new(core.StatusFail)}, p), rows: failed, most: page + peek},
			planCase{name: order + " 5xx", read: attempts(core.AttemptFilter{CodeFrom: 500, CodeTo: 599}, p), rows: failed, most: page + peek},
			planCase{name: order + " attempted messages", read: attempted(nil, p), rows: page, most: 2*page + 2*peek},
			planCase{name: order + " that succeeded", read: attempted(new(core.StatusSuccess), p), rows: page, most: 2*page + 2*peek},
			planCase{name: order + " that failed", read: attempted(new(core.StatusFail), p), rows: w.failed(false), most: 5*page + 2*peek},
			planCase{name: order + " that will be tried again", read: attempted(new(core.StatusSending), p), rows: min(w.failed(true), lookedFarMost/10), most: 5 * lookups},
			planCase{name: order + " messages", rows: page, most: page + peek, read: func(r reader) (int, error) {
				rows, _, err := r.MessageList(ctx, w.app.ID, core.MessageFilter{}, p)
				return len(rows), err
			}},
		)
	}
	return cases
}

// failed returns how many messages failed for good or, if sending, will be retried, up to a page.
func (w planWorld) failed(sending bool) int {
	each := w.messages / planInstants
	again := planInstants * (each / (planFailures * 10))
	if sending {
		return min(planPage, again)
	}
	return min(planPage, planInstants*(each/planFailures)-again)
}

func (w planWorld) counts(r reader) (int, error) {
	stats, err := r.EndpointStatsGet(w.t.Context(), w.app.ID, w.endpoint, core.StatsPeriod{Since: now().AddDate(0, 0, -28), Until: now(), Now: now()})
	return int(stats.Succeeded + stats.Failed), err
}

// message returns a message from the middle.
func (w planWorld) message(r reader) (core.MessageID, error) {
	before := string(core.MessageIDAt(now().AddDate(0, 0, -10)))
	rows, _, err := r.MessageList(w.t.Context(), w.app.ID, core.MessageFilter{}, core.Page{Before: before, Limit: 1, Descending: true})
	if err != nil || len(rows) != 1 {
		return "", fmt.Errorf("%d messages, %w", len(rows), err)
	}
	return rows[0].ID, nil
}

func (w planWorld) someMessages(r reader) (int, error) {
	rows, _, err := r.MessageList(w.t.Context(), w.app.ID, core.MessageFilter{}, core.Page{Before: "~", Limit: 51})
	ids := make([]core.MessageID, len(rows))
	for i, m := range rows {
		ids[i] = m.ID
	}
	if err != nil {
		return 0, err
	}
	rows, _, err = r.MessageGetMany(w.t.Context(), w.app.ID, ids, true)
	return len(rows), err
}

func (w planWorld) expunge(r reader) (int, error) {
	id, err := w.message(r)
	if err != nil {
		return 0, err
	}
	there, err := tx{reader: r}.MessageExpungeMany(w.t.Context(), w.app.ID, []string{string(id), "order-1"})
	return len(there), err
}

func (w planWorld) byMessage(r reader) (int, error) {
	id, err := w.message(r)
	if err != nil {
		return 0, err
	}
	rows, _, err := r.AttemptListByMessage(w.t.Context(), w.app.ID, id, core.AttemptFilter{}, core.Page{Before: "~", Limit: 51, Descending: true})
	return len(rows), err
}

// byMessageOf lists the attempts at a message that the filter does not match.
func (w planWorld) byMessageOf(filter core.MessageFilter, p core.Page) func(reader) (int, error) {
	return func(r reader) (int, error) {
		at := core.MessageIDAt(now().AddDate(0, 0, -10))
		rows, _, err := r.MessageList(w.t.Context(), w.app.ID, core.MessageFilter{EventTypes: []string{"type.7"}}, core.Page{Before: string(at), Limit: 1, Descending: true})
		if err != nil || len(rows) != 1 {
			return 0, fmt.Errorf("%d messages, %w", len(rows), err)
		}
		attempts, _, err := r.AttemptListByMessage(w.t.Context(), w.app.ID, rows[0].ID, core.AttemptFilter{MessageFilter: filter}, p)
		return len(attempts), err
	}
}

func (w planWorld) destinationCount(r reader) (int, error) {
	id, err := w.message(r)
	if err != nil {
		return 0, err
	}
	rows, _, err := r.DestinationList(w.t.Context(), w.app.ID, id, core.AttemptIDAt(now().AddDate(0, 0, -11)), core.Page{Before: "~", Limit: 51})
	return len(rows), err
}
