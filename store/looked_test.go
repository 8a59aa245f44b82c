package store

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// lookedWorld has messages that were attempted at one endpoint: most succeeded, some failed, and a few of the failed
// ones will be retried. Every seventh message was attempted twice.
type lookedWorld struct {
	*world
	endpoint core.EndpointID
	messages []lookedMessage // oldest first
}

type lookedMessage struct {
	id       core.MessageID
	attempts []core.AttemptID // oldest first
	status   core.AttemptStatus
	rare     bool
}

func newLookedWorld(t *testing.T, n int, rare ...int) *lookedWorld {
	t.Helper()
	w := &lookedWorld{world: newWorld(t)}
	w.endpoint = w.addEndpoint(nil).ID
	for i := range n {
		w.addMessage(now().Add(time.Duration(i-n)*time.Second), i, slices.Contains(rare, i))
	}
	return w
}

// addMessage adds the ith message and its attempts.
func (w *lookedWorld) addMessage(at time.Time, i int, rare bool) {
	w.t.Helper()
	m := lookedMessage{id: core.NewMessageID(at), rare: rare}
	kind := map[bool]string{false: "usual", true: "rare"}[rare]
	w.exec(`
		INSERT INTO message (app_id, id, event_type, channels, tags, payload, expires_at, created_at)
		VALUES ($1, $2, $3, ARRAY[$3], ARRAY[$3], '{}', now() + interval '1 day', now())`, w.app.ID, m.id, kind)
	statuses := []core.AttemptStatus{core.StatusSuccess}
	switch {
	case i%7 == 0:
		statuses = []core.AttemptStatus{core.StatusFail, core.StatusSuccess}
	case i%5 == 0:
		statuses = []core.AttemptStatus{core.StatusFail, core.StatusFail}
	}
	for n, status := range statuses {
		id := core.NewAttemptID(at.Add(time.Duration(n) * 30 * time.Second)) // attempts at other messages are in between
		m.attempts, m.status = append(m.attempts, id), status
		w.exec(`
			INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response,
				duration_ms, trigger, created_at)
			VALUES ($1, $2, $3, $4, '', $5::int, CASE WHEN $5::int = 0 THEN 200 ELSE 500 END, '', 1, 0, now())`,
			w.app.ID, id, m.id, w.endpoint, status)
	}
	if i%10 == 0 && m.status == core.StatusFail {
		m.status = core.StatusSending
		w.exec("INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts) VALUES ($1, $2, $3, now() + interval '1 hour', 1, 1)",
			w.app.ID, m.id, w.endpoint)
	}
	w.messages = append(w.messages, m)
}

// lookedList is a list that filters rows: how to read it, and the keys it should contain, newest first.
type lookedList struct {
	read func(core.Page) (ids []string, ended string, err error)
	want []string
}

func (w *lookedWorld) lists(ctx context.Context) map[string]lookedList {
	rare := core.MessageFilter{EventTypes: []string{"rare"}, Channel: "rare", Tag: "rare"}
	none := core.MessageFilter{Tag: "none"}
	messages := func(f core.MessageFilter) func(core.Page) ([]string, string, error) {
		return func(p core.Page) ([]string, string, error) {
			l, ended, err := w.MessageList(ctx, w.app.ID, f, p)
			return keysOf(l, func(m core.Message) string { return string(m.ID) }), ended, err
		}
	}
	attempts := func(f core.AttemptFilter) func(core.Page) ([]string, string, error) {
		return func(p core.Page) ([]string, string, error) {
			l, ended, err := w.AttemptListByEndpoint(ctx, w.app.ID, w.endpoint, f, p)
			return keysOf(l, func(a core.Attempt) string { return string(a.ID) }), ended, err
		}
	}
	attempted := func(f core.MessageFilter, status *core.AttemptStatus) func(core.Page) ([]string, string, error) {
		return func(p core.Page) ([]string, string, error) {
			l, ended, err := w.AttemptedMessageList(ctx, w.app.ID, w.endpoint, core.AttemptedMessageFilter{MessageFilter: f, Status: status}, "", p)
			return keysOf(l, func(a core.LatestAttempt) string { return string(a.MessageID) }), ended, err
		}
	}
	where := func(match func(lookedMessage) bool) (message, attempt []string) {
		for _, m := range w.messages {
			if !match(m) {
				continue
			}
			message = append(message, string(m.id))
			for _, id := range m.attempts {
				attempt = append(attempt, string(id))
			}
		}
		slices.Sort(attempt)
		slices.Reverse(attempt)
		slices.Reverse(message)
		return message, attempt
	}
	stands := func(status core.AttemptStatus) []string {
		ids, _ := where(func(m lookedMessage) bool { return m.status == status })
		return ids
	}
	rareIDs, rareAttempts := where(func(m lookedMessage) bool { return m.rare })
	all, allAttempts := where(func(lookedMessage) bool { return true })
	success, fail, sending := core.StatusSuccess, core.StatusFail, core.StatusSending
	return map[string]lookedList{
		"messages":                {messages(core.MessageFilter{}), all},
		"rare messages":           {messages(rare), rareIDs},
		"no messages":             {messages(none), nil},
		"attempts":                {attempts(core.AttemptFilter{}), allAttempts},
		"attempts at rare":        {attempts(core.AttemptFilter{MessageFilter: rare}), rareAttempts},
		"attempts at none":        {attempts(core.AttemptFilter{MessageFilter: none}), nil},
		"attempts with a 4xx":     {attempts(core.AttemptFilter{CodeFrom: 400, CodeTo: 499}), nil},
		"attempted messages":      {attempted(core.MessageFilter{}, nil), all},
		"attempted rare":          {attempted(rare, nil), rareIDs},
		"attempted none":          {attempted(none, nil), nil},
		"messages that succeeded": {attempted(core.MessageFilter{}, &success), stands(success)},
		"messages that failed":    {attempted(core.MessageFilter{}, &fail), stands(fail)},
		"messages to try again":   {attempted(core.MessageFilter{}, &sending), stands(sending)},
		"none that failed":        {attempted(none, &fail), nil},
	}
}

func keysOf[T any](list []T, key func(T) string) (keys []string) {
	for _, item := range list {
		keys = append(keys, key(item))
	}
	return keys
}

// walk reads a list page by page, continuing from where each page ended.
func (l lookedList) walk(t *testing.T, p core.Page, between func()) (all []string) {
	t.Helper()
	for range 1000 {
		ids, ended, err := l.read(p)
		if err != nil || len(ids) > p.Limit {
			t.Fatalf("%d items, %v", len(ids), err)
		}
		all = append(all, ids...)
		next := ended
		if len(ids) == p.Limit {
			next = ids[len(ids)-1]
		}
		if next == "" {
			return all
		}
		if p.Descending {
			p.Before = next
		} else {
			p.After = next
		}
		between()
	}
	t.Fatal("the list does not end")
	return nil
}

// However few rows a page may look at, following the pages shows each matching item once and in order.
func TestPagesThatEndEarlyLeaveOutNothing(t *testing.T) {
	t.Parallel()
	const n = 60
	w := newLookedWorld(t, n, 0, 1, 23, 24, n-1)
	for name, l := range w.lists(t.Context()) {
		for _, descending := range []bool{true, false} {
			want := slices.Clone(l.want)
			if !descending {
				slices.Reverse(want)
			}
			for _, look := range []int{1, 2, 3, 7, n, n + 1, 2 * n, 1000} {
				for _, limit := range []int{1, 2, 7, 51} {
					p := core.Page{Before: "~", Limit: limit, Descending: descending, Look: look}
					if got := l.walk(t, p, func() {}); !slices.Equal(got, want) {
						t.Fatalf("%s, descending %t, %d of %d: %v, want %v", name, descending, limit, look, got, want)
					}
				}
			}
		}
	}
}

// The message that a page ended at may be gone when the next page is read.
func TestPagesGoOnFromAMessageThatIsGone(t *testing.T) {
	t.Parallel()
	w := newLookedWorld(t, 40, 0, 39)
	l := w.lists(t.Context())["rare messages"]
	got := l.walk(t, core.Page{Before: "~", Limit: 5, Descending: true, Look: 4}, func() {
		w.exec("DELETE FROM message WHERE event_type = 'usual' AND id IN (SELECT id FROM message WHERE event_type = 'usual' ORDER BY id DESC LIMIT 5)")
	})
	if !slices.Equal(got, l.want) {
		t.Errorf("%v, want %v", got, l.want)
	}
}

// A list whose filter matches nothing reads a bounded number of rows, whatever the statistics say.
func TestListsThatMatchNothingReadABound(t *testing.T) {
	t.Parallel()
	w := newLookedWorld(t, 1)
	const n, look = 20_000, 100
	w.exec(`
		INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
		SELECT app_id, left(id, 12) || lpad(n::text, 19, '0'), event_type, payload, expires_at, created_at
		FROM message, generate_series(1, $1::int) AS n`, n)
	w.exec(`
		INSERT INTO attempt
		SELECT app_id, left(id, 14) || lpad((n * 2 + s)::text, 19, '0'), left(message_id, 12) || lpad(n::text, 19, '0'), endpoint_id, url,
			s * 2, 200 + s * 300, response, duration_ms, trigger, created_at
		FROM (SELECT * FROM attempt LIMIT 1) AS one, generate_series(1, $1::int) AS n, generate_series(0, 1) AS s`, n)
	for _, statistics := range []string{"none", "empty", "few", "good"} {
		w.believe(statistics)
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			w.readBound(t, statistics, mode, look)
		}
	}
}

// believe gives the tables false statistics.
func (w *lookedWorld) believe(statistics string) {
	w.t.Helper()
	const partitions = "(SELECT relid FROM pg_partition_tree('message') UNION ALL SELECT relid FROM pg_partition_tree('attempt') UNION ALL SELECT 'delivery'::regclass)"
	indexes := "(SELECT indexrelid FROM pg_index WHERE indrelid IN " + partitions + ")"
	set := func(pages, tuples int) {
		w.exec("UPDATE pg_class SET relpages = $1::int, reltuples = $2::int WHERE relkind IN ('r', 'i') AND (oid IN "+partitions+" OR oid IN "+indexes+")", pages, tuples)
	}
	switch statistics {
	case "empty": // vacuumed while it held only dead rows
		set(1, 0)
	case "few":
		set(33, 1)
	case "good":
		w.exec("VACUUM ANALYZE")
	}
}

func (w *lookedWorld) readBound(t *testing.T, statistics, mode string, look int) {
	t.Helper()
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode); err != nil {
		t.Fatal(err)
	}
	e := &executed{DBTX: conn}
	under := lookedWorld{world: &world{Store: &Store{reader: reader{conn: e}}, t: t, app: w.app}, endpoint: w.endpoint}
	for name, l := range under.lists(t.Context()) {
		for _, descending := range []bool{true, false} {
			e.rows, e.most = 0, 0
			_, _, err := l.read(core.Page{Before: "~", Limit: 51, Descending: descending, Look: look})
			// Two statuses, and for each row look-ups of a message, of the owed delivery and of a success among the message's
			// two attempts; for the 51 shown, the latest of two attempts; and one row from each partition.
			if most := 2*look*4 + 51*2 + 60; err != nil || e.rows > float64(most) || e.rows == 0 && name == "messages" {
				t.Errorf("%s, %s, %s, descending %t: read %.0f rows, want at most %d; %v\n%s",
					statistics, mode, name, descending, e.rows, most, err, e.plan)
			}
		}
	}
}
