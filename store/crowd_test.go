package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// addEndpoints creates n endpoints. types(k) is the SQL for the event types of endpoint k; NULL means all.
func (w *world) addEndpoints(app core.AppID, n int, types string) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`
		INSERT INTO endpoint (app_id, id, url, description, version, disabled, event_types, secret, headers, metadata, created_at, updated_at)
		SELECT $1::text, 'ep_' || right($1::text, 22) || lpad(k::text, 5, '0'), 'http://example.test/', '', 1, false, %s,
			decode(repeat('ab', 24), 'hex'), '{}', '{}', now(), now()
		FROM generate_series(0, $2::int - 1) AS k`, types), app, n)
}

// largestStatement returns the largest number of deliveries that one statement stored. A savepoint has a transaction
// id of its own.
func (w *world) largestStatement() int {
	return value[int](w, "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM delivery GROUP BY xmin) AS statements")
}

func (w *world) events(n int, change func(int, *core.NewMessage)) []core.NewMessage {
	messages := make([]core.NewMessage, n)
	for i := range messages {
		messages[i] = w.event(func(m *core.NewMessage) { change(i, m) })
	}
	return messages
}

// TestFanOutReadsEachEndpointOnce counts the rows that a batch to an application with many endpoints reads, whatever
// ANALYZE has seen and however the statement is planned.
func TestFanOutReadsEachEndpointOnce(t *testing.T) {
	t.Parallel()
	const endpoints, messages, each = 400, 64, 4
	w := newWorld(t)
	w.exec("ANALYZE") // while empty
	w.addEndpoints(w.addApplication(testOrg, "other").ID, 2000, "NULL")
	w.addEndpoints(w.app.ID, endpoints, "ARRAY['type.' || k % 100]")
	for _, looked := range []bool{false, true} { //nolint:paralleltest // between two analyses
		if looked {
			w.exec("ANALYZE")
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(fmt.Sprintf("%s, analysed %t", mode, looked), func(t *testing.T) {
				under, err := w.pool.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer rollback(context.WithoutCancel(t.Context()), under)
				if _, err := under.Exec(t.Context(), "SET LOCAL plan_cache_mode = "+mode); err != nil {
					t.Fatal(err)
				}
				before := w.endpointsRead(under) // by earlier transactions
				p := insertParams(w.events(messages, func(i int, m *core.NewMessage) { m.EventType = fmt.Sprintf("type.%d", i%8) }), core.Room{}, now())
				if _, err := queries.MessageInsertMany(t.Context(), under, p); err != nil {
					t.Fatal(err)
				}
				var deliveries int
				if err := under.QueryRow(t.Context(), "SELECT count(*) FROM delivery").Scan(&deliveries); err != nil || deliveries != messages*each {
					t.Fatalf("%d deliveries, %v; want %d", deliveries, err, messages*each)
				}
				read := w.endpointsRead(under) - before
				if read > endpoints {
					t.Errorf("%d messages read %d endpoints of an application that has %d", messages, read, endpoints)
				}
			})
		}
	}
}

// endpointsRead returns how many rows of endpoint the connection has read.
func (w *world) endpointsRead(conn pgx.Tx) (n int) {
	w.t.Helper()
	err := conn.QueryRow(w.t.Context(), "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'endpoint'").Scan(&n)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A batch from one caller is stored in order, in statements of bounded size.
func TestCrowdIsStoredInSmallStatements(t *testing.T) {
	t.Parallel()
	for name, insert := range map[string]func(w *world, messages []core.NewMessage) []core.Stored{
		"by themselves": func(w *world, messages []core.NewMessage) []core.Stored {
			return NewMessageInserter(w.Store, nil).MessageInsertMany(w.t.Context(), messages)
		},
		"in a unit of work": func(w *world, messages []core.NewMessage) (stored []core.Stored) {
			w.in(func(ctx context.Context, tx core.Tx) (err error) {
				stored, err = tx.MessageInsertMany(ctx, messages, now())
				return err
			})
			return stored
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addEndpoints(w.app.ID, 700, "NULL")
			fifo := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
			small := w.addApplication(testOrg, "small")
			w.addEndpoints(small.ID, 1, "NULL")
			messages := w.events(12, func(i int, m *core.NewMessage) {
				if i%4 == 3 {
					m.AppRef = string(small.ID)
				}
			})
			ids := make([]core.MessageID, len(messages))
			for n, m := range messages {
				ids[n] = m.ID
			}
			slices.Sort(ids) // the order within a statement
			for n := range messages {
				messages[n].ID = ids[n]
			}
			for n, s := range insert(w, messages) {
				if s.Err != nil || s.Message.ID != messages[n].ID {
					t.Errorf("message %d: %v", n, s.Err)
				}
			}
			if n := value[int](w, "SELECT count(*) FROM delivery"); n != 9*701+3 {
				t.Errorf("%d deliveries, want %d", n, 9*701+3)
			}
			if n := w.largestStatement(); n >= crowdDeliveries {
				t.Errorf("one statement made %d deliveries, want fewer than %d", n, crowdDeliveries)
			}
			sent := value[[]string](w, "SELECT array_agg(message_id ORDER BY seq) FROM delivery WHERE endpoint_id = $1", fifo.ID)
			var want []string
			for _, m := range messages {
				if m.AppRef != string(small.ID) {
					want = append(want, string(m.ID))
				}
			}
			if !slices.Equal(sent, want) {
				t.Errorf("sent in the order %v, want %v", sent, want)
			}
		})
	}
}

// A single message may have more deliveries than a statement for several messages.
func TestMessageWithAHugeFanOutIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoints(w.app.ID, crowdDeliveries+10, "NULL")
	i := NewMessageInserter(w.Store, nil)
	for range 2 {
		if _, err := i.MessageInsert(t.Context(), w.event(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 2*(crowdDeliveries+10) {
		t.Errorf("%d deliveries", n)
	}
}

// Whatever else is in the statement, an application that nothing is known about does not make it large.
func TestCrowdIsCrowdedOutOfASharedStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoints(w.app.ID, 300, "NULL")
	small := w.addApplication(testOrg, "small")
	w.addEndpoints(small.ID, 2, "NULL")
	key, eventID := slices.Repeat([]byte{1}, 32), "order-1"
	messages := w.events(8, func(i int, m *core.NewMessage) {
		if i%2 == 1 {
			m.AppRef = "small"
		}
		if i == 0 {
			m.KeyHash, m.EventID = key, &eventID
		}
	})
	i := NewMessageInserter(w.Store, nil)
	for n, o := range i.insertShared(t.Context(), messages) {
		if small := n%2 == 1; o.err != nil || o.out.stored != small || o.out.crowdedOut == small {
			t.Errorf("message %d: %+v", n, o)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 4*2 {
		t.Errorf("%d deliveries, want those of the small application", n)
	}
	if big, small := i.crowds.weight(addressOf(messages[0])), i.crowds.weight(addressOf(messages[1])); big == 0 || small != 0 {
		t.Errorf("the weights are %d and %d, want a crowd and none", big, small)
	}
	// The message's key and name are still free.
	if m, err := i.MessageInsert(t.Context(), messages[0]); err != nil || m.ID != messages[0].ID {
		t.Errorf("stored as %s, %v", m.ID, err)
	}
	if weight := i.crowds.weight(addressOf(messages[0])); weight != 300 {
		t.Errorf("the weight is %d, want 300", weight)
	}
}

func TestCrowdsTakeTurns(t *testing.T) {
	t.Parallel()
	c := newCrowds()
	c.keep(address{testOrg, "heavy"}, 2000)
	c.keep(address{testOrg, "medium"}, 500)
	var waiting []*call[core.NewMessage, int]
	add := func(ref string, n int) {
		for range n {
			waiting = append(waiting, &call[core.NewMessage, int]{in: core.NewMessage{OrgID: testOrg, AppRef: ref}})
		}
	}
	add("heavy", 3)
	add("medium", 5)
	var got []string
	for len(waiting) > 0 {
		n := sortCrowds(c, waiting)
		batch := ""
		for _, w := range waiting[:n] {
			batch += w.in.AppRef[:1]
		}
		got, waiting = append(got, batch), waiting[n:]
	}
	if want := []string{"h", "m", "h", "m", "h", "mmm"}; !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

func TestCrowdsAreForgotten(t *testing.T) {
	t.Parallel()
	c := newCrowds()
	for n := range crowdsMax + 10 {
		c.learn(address{testOrg, fmt.Sprint(n)}, sighting{messages: 1, deliveries: 100})
	}
	if len(c.weights) != crowdsMax {
		t.Errorf("%d crowds are known, want %d", len(c.weights), crowdsMax)
	}
	a := address{testOrg, "a"}
	for n, step := range []struct {
		seen sighting
		want int
	}{
		{sighting{messages: 2, deliveries: 100}, 0},
		{sighting{messages: 300, crowdedOut: true}, crowdWeight},
		{sighting{messages: 32, crowdedOut: true}, 2 * crowdWeight},
		{sighting{messages: 10, deliveries: 101}, 11},
		{sighting{messages: 100, deliveries: 401}, 5},
		{sighting{messages: 100, deliveries: 400}, 0},
		{sighting{messages: 1, deliveries: 64}, 64},
		{sighting{messages: 1}, 0},
	} {
		if c.learn(a, step.seen); c.weight(a) != step.want {
			t.Errorf("after sighting %d the weight is %d, want %d", n, c.weight(a), step.want)
		}
	}
}
