package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// largeBytesMax limits a statement for large payloads, because the commits of other transactions wait until its
// write-ahead log has been flushed as well. Beside statements of 8 MiB, small messages took about 40 ms instead of 5.
const largeBytesMax = 1 << 20

// Statements for large payloads take at most a third of the time, and those for crowds half of it. Everybody's commits
// wait for the same disk, and everybody's statements for the same processors.
const largeRestRatio, crowdedRestRatio = 2, 1

// MessageInserter stores messages, combining those that are waiting into one statement, and hands deliveries to a
// dispatcher, as many as it has room for.
type MessageInserter struct {
	store      *Store
	dispatcher core.Dispatcher // nil if this process makes no deliveries
	crowds     *crowds
	shared     *batcher[core.NewMessage, insertion]
	large      *batcher[core.NewMessage, insertion] // separate, because compressing and writing megabytes takes a while
	crowded    *batcher[core.NewMessage, insertion] // separate, so that nobody else waits for crowds; like large, it rests
	batches    *places                              // of the statements for batches of messages
	rows       func(n int)                          // counts the rows of a statement
}

var _ core.MessageInserter = (*MessageInserter)(nil)

// insertion is the outcome for one message.
type insertion struct {
	app    core.AppID // empty if there is no such application
	stored bool       // it was stored

	crowdedOut bool // not stored, because its application has too many deliveries for one statement
	lockedOut  bool // not stored, because another transaction stores to FIFO endpoints of its application
}

// leftOut reports whether a later statement has to store the message.
func (i insertion) leftOut() bool { return i.crowdedOut || i.lockedOut }

// NewMessageInserter returns an inserter. dispatcher is nil in a process that makes no deliveries.
func NewMessageInserter(s *Store, dispatcher core.Dispatcher) *MessageInserter {
	i := &MessageInserter{store: s, dispatcher: dispatcher, crowds: newCrowds(), batches: newPlaces(max(s.pools.size()/4, 1)),
		rows: s.batchRows("message_insert")}
	size := func(m core.NewMessage) int { return len(*m.Payload) }
	i.shared, i.large = newBatcher(i.insertShared, size), newBatcher(i.insertShared, size)
	i.crowded = newBatcher(func(ctx context.Context, messages []core.NewMessage) []outcome[insertion] {
		return pastExhausted(messages, func(some []core.NewMessage) []outcome[insertion] { return i.insertMany(ctx, some) })
	}, size)
	i.shared.bounded, i.large.bounded, i.crowded.bounded = true, true, true
	spans := batchSpans{s.tracer, "message_insert"}
	i.shared.spans, i.large.spans, i.crowded.spans = spans, spans, spans
	i.large.bytesMax = largeBytesMax
	i.large.restRatio, i.crowded.restRatio = largeRestRatio, crowdedRestRatio
	i.large.clock, i.crowded.clock = s.Now, s.Now
	i.crowded.sort = func(waiting []*call[core.NewMessage, insertion]) int { return sortCrowds(i.crowds, waiting) }
	return i
}

// MessageInsert stores a message and returns once it is committed. Its errors are: not found (no such application),
// conflict (the event id belongs to another message) and unavailable. After unavailable, the message may have been
// stored nevertheless; if it is sent again, its idempotency key shows that.
func (i *MessageInserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	done, err := i.insert(ctx, m)
	return i.stored(ctx, m, done, err)
}

// insert retries until the message is no longer locked out.
func (i *MessageInserter) insert(ctx context.Context, m core.NewMessage) (insertion, error) {
	for wait := newLockWait(); ; {
		done, err := i.insertOnce(ctx, m)
		if err != nil || !done.lockedOut {
			return done, err
		}
		if err := wait.next(ctx); err != nil {
			return insertion{}, err
		}
	}
}

func (i *MessageInserter) insertOnce(ctx context.Context, m core.NewMessage) (insertion, error) {
	if i.crowds.weight(addressOf(m)) == 0 {
		shared := i.shared
		if len(*m.Payload) > core.LargePayload {
			shared = i.large
		}
		done, err := shared.do(ctx, m)
		if err != nil || !done.crowdedOut {
			return done, err
		}
	}
	return i.crowded.do(ctx, m)
}

// stored returns the result for one caller.
func (i *MessageInserter) stored(ctx context.Context, m core.NewMessage, done insertion, err error) (core.Message, error) {
	switch {
	case err != nil:
		return core.Message{}, err
	case done.app == "":
		return core.Message{}, applicationNotFound()
	case done.stored:
		m.AppID = done.app
		return m.Message, nil
	}
	return i.twin(ctx, done.app, m)
}

func applicationNotFound() *core.Error {
	e := core.NotFound()
	e.Message = "Application not found"
	return e
}

// twin finds the message that prevented m from being stored. If it has the same idempotency key, it is the
// result; if it has the same event id, that is a conflict.
func (i *MessageInserter) twin(ctx context.Context, app core.AppID, m core.NewMessage) (core.Message, error) {
	conflict := core.Conflict("A conflict has occurred")
	if m.KeyHash == nil {
		return core.Message{}, conflict
	}
	id, err := queries.MessageKeyGet(ctx, i.store.pool, db.MessageKeyGetParams{
		AppID: app, KeyHash: m.KeyHash, Since: i.store.Now().Add(-core.IdempotencyLifetime),
	})
	if err := mapError(err); core.IsKind(err, core.KindNotFound) {
		return core.Message{}, conflict
	} else if err != nil {
		return core.Message{}, err
	}
	return i.store.MessageGet(ctx, app, string(id))
}

// insertShared stores messages of many callers in one statement.
func (i *MessageInserter) insertShared(ctx context.Context, messages []core.NewMessage) []outcome[insertion] {
	return pastExhausted(messages, func(messages []core.NewMessage) []outcome[insertion] {
		return separately(messages, func(some []core.NewMessage) ([]outcome[insertion], error) {
			return i.insertBatch(ctx, some, sharedDeliveries)
		})
	})
}

// freshPerApp is how many deliveries of one application a statement stores as fresh: at least as many as the senders
// of a busy application have in progress.
const freshPerApp = 128

// exhaustedMost is how many single rows of a batch may need more memory or locks than Postgres has before Postgres is
// assumed to have none for any row. Finding each of them costs as many statements as the batch can be halved.
const exhaustedMost = 8

// pastExhausted continues after rows that Postgres lacks memory or locks for even when they are alone. separately
// stops there to preserve the order of the rows, but rows of independent callers have no order.
func pastExhausted[In, Out any](inputs []In, run func([]In) []outcome[Out]) []outcome[Out] {
	var outcomes []outcome[Out]
	for range exhaustedMost {
		rest := run(inputs[len(outcomes):])
		n := slices.IndexFunc(rest, func(o outcome[Out]) bool { return core.IsExhausted(o.err) })
		if n < 0 || len(outcomes)+n+1 == len(inputs) {
			return append(outcomes, rest...)
		}
		outcomes = append(outcomes, rest[:n+1]...)
	}
	return append(outcomes, failures[Out](len(inputs)-len(outcomes), outcomes[len(outcomes)-1].err)...)
}

// insertMany stores messages in statements of bounded fan-out, each with a timeout of its own.
func (i *MessageInserter) insertMany(ctx context.Context, messages []core.NewMessage) []outcome[insertion] {
	return inParts(i.crowds, messages, func(some []core.NewMessage, tooMany int64) ([]outcome[insertion], error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTimeout)
		defer cancel()
		return i.insertBatch(ctx, some, tooMany)
	})
}

// insertBatch runs the statement with the room that the dispatcher has now. The dispatcher gets its room back
// even if the statement fails.
func (i *MessageInserter) insertBatch(ctx context.Context, messages []core.NewMessage, tooMany int64) ([]outcome[insertion], error) {
	i.rows(len(messages))
	now := i.store.Now()
	var room core.Room
	var deliveries []core.Delivery
	if i.dispatcher != nil {
		room = i.dispatcher.Reserve(now)
		defer func() { i.dispatcher.Dispatch(room, deliveries) }()
	}
	p := insertParams(messages, room, now)
	p.TooMany = tooMany
	rows, err := queries.MessageInsertMany(ctx, i.store.pool, p)
	if err != nil {
		return nil, err
	}
	i.store.announcer.announce(newsOf(rows))
	ns := numbers(messages)
	deliveries = i.readLeased(messages, ns, rows, room, now)
	outcomes := readInsertions(ns, rows)
	i.crowds.see(messages, outcomes, rows)
	return outcomes, nil
}

// MessageInsertMany stores messages and leases no deliveries, so all of them are due when they are stored. Each
// statement is behind a savepoint: if Postgres refuses the content of one row, the unit of work goes on without it.
func (t tx) MessageInsertMany(ctx context.Context, messages []core.NewMessage, now time.Time) ([]core.Stored, error) {
	outer, ok := t.conn.(*unit)
	if !ok {
		return nil, errors.New("messages are inserted outside of a unit of work")
	}
	seen := newCrowds()
	outcomes := inParts(seen, messages, func(some []core.NewMessage, tooMany int64) (outcomes []outcome[insertion], err error) {
		p := insertParams(some, core.Room{}, now)
		p.TooMany, p.WaitForLocks = tooMany, true // a retry would need another transaction
		err = transact(ctx, outer, func(inner pgx.Tx) error {
			rows, err := queries.MessageInsertMany(ctx, inner, p)
			if err != nil {
				return err
			}
			outcomes = readInsertions(numbers(some), rows)
			outer.due |= newsOf(rows)
			seen.see(some, outcomes, rows)
			return nil
		})
		return outcomes, err
	})
	stored := make([]core.Stored, len(messages))
	for n, o := range outcomes {
		switch m := messages[n]; {
		case core.Again(o.err):
			return nil, o.err
		case o.err != nil:
			stored[n].Err = o.err
		case o.out.app == "":
			stored[n].Err = applicationNotFound()
		case !o.out.stored:
			stored[n].Err = core.Conflict("A conflict has occurred")
		default:
			m.AppID = o.out.app
			stored[n].Message = m.Message
		}
	}
	return stored, nil
}

func insertParams(messages []core.NewMessage, room core.Room, now time.Time) db.MessageInsertManyParams {
	var orgs, refs []string
	appNs, apps := make([]int64, len(messages)), map[address]int64{} // from 1, as SQL counts
	for i, m := range messages {
		to := addressOf(m)
		if apps[to] == 0 {
			orgs, refs = append(orgs, string(m.OrgID)), append(refs, m.AppRef)
			apps[to] = int64(len(refs))
		}
		appNs[i] = apps[to]
	}
	return db.MessageInsertManyParams{
		Now: now, KeysSince: now.Add(-core.IdempotencyLifetime),
		Room: int32(room.Total), RoomPerEndpoint: int32(room.PerEndpoint),
		FullEndpointIDs: texts(room.Full), FullAppIDs: texts(room.FullApps), LeasedUntil: room.LeasedUntil,
		TooMany: math.MaxInt64, Many: manyDeliveries, FreshPerApp: freshPerApp,
		// One row per message, application and leased delivery, and two to announce: fresh and waiting.
		MaxRows:      int32(2*len(messages) + room.Total + 2),
		WaitForLocks: false,

		OrgIDs: orgs, AppRefs: refs, AppNs: appNs,
		IDs:          column(messages, func(m *core.NewMessage) string { return string(m.ID) }),
		EventIDs:     column(messages, func(m *core.NewMessage) string { return orEmpty(m.EventID) }),
		EventTypes:   column(messages, func(m *core.NewMessage) string { return m.EventType }),
		Channels:     column(messages, func(m *core.NewMessage) string { return strings.Join(m.Channels, ",") }), // names hold no comma
		Tags:         column(messages, func(m *core.NewMessage) string { return strings.Join(m.Tags, ",") }),
		Payloads:     column(messages, func(m *core.NewMessage) string { return *m.Payload }),
		ExpiresAts:   column(messages, func(m *core.NewMessage) time.Time { return m.ExpiresAt }),
		CreatedAts:   column(messages, func(m *core.NewMessage) time.Time { return m.CreatedAt }),
		KeyHashes:    column(messages, func(m *core.NewMessage) []byte { return orNone(m.KeyHash) }),
		ContentTypes: column(messages, func(m *core.NewMessage) string { return orEmpty(m.ContentType) }),
		DueAts:       column(messages, func(m *core.NewMessage) time.Time { return dueAt(&m.Message) }),
		TraceParents: column(messages, func(m *core.NewMessage) string { return orEmpty(m.TraceParent) }),
	}
}

// column returns one value of each row, as an array for a statement.
func column[Row, Value any](rows []Row, value func(*Row) Value) []Value {
	values := make([]Value, len(rows))
	for i := range rows {
		values[i] = value(&rows[i])
	}
	return values
}

// dueAt returns when a message's deliveries are due: immediately, unless the message specifies a time.
func dueAt(m *core.Message) time.Time {
	if m.DeliverAt == nil {
		return m.CreatedAt
	}
	return *m.DeliverAt
}

// orNone never returns nil: in SQL that would be NULL, and NULL equals nothing.
func orNone(hash []byte) []byte {
	if hash == nil {
		return []byte{}
	}
	return hash
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// texts never returns nil: in SQL that would be NULL, and NULL equals nothing.
func texts[ID ~string](ids []ID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return texts
}

// readInsertions reads the outcome for each message. ns maps message ids to indexes.
func readInsertions(ns map[core.MessageID]int, rows []db.MessageInsertManyRow) []outcome[insertion] {
	outcomes := make([]outcome[insertion], len(ns))
	for _, row := range rows {
		if n, ok := ns[core.MessageID(row.MessageID)]; ok {
			outcomes[n].out = insertion{app: core.AppID(row.AppID), stored: row.Stored, crowdedOut: row.CrowdedOut, lockedOut: row.LockedOut}
		}
	}
	return outcomes
}

// newsOf returns which kinds of deliveries became due that are not leased to this process.
func newsOf(rows []db.MessageInsertManyRow) (n news) {
	for _, row := range rows {
		switch {
		case row.MessageID != "": // the rows are ordered by message id
			return n
		case row.Due == "fresh":
			n |= newsFresh
		case row.Due == "waiting":
			n |= newsWaiting
		}
	}
	return n
}

// numbers maps message ids to indexes.
func numbers(messages []core.NewMessage) map[core.MessageID]int {
	ns := make(map[core.MessageID]int, len(messages))
	for n, m := range messages {
		ns[m.ID] = n
	}
	return ns
}

// readLeased reads the deliveries that were leased when they were stored.
func (i *MessageInserter) readLeased(messages []core.NewMessage, ns map[core.MessageID]int, rows []db.MessageInsertManyRow, room core.Room, now time.Time) []core.Delivery {
	var deliveries []core.Delivery
	for _, row := range rows {
		if row.EndpointID == "" {
			continue
		}
		m := messages[ns[core.MessageID(row.MessageID)]]
		d := core.Delivery{
			AppID: core.AppID(row.AppID), MessageID: m.ID, EndpointID: core.EndpointID(row.EndpointID),
			Lease: 1, LeasedUntil: room.LeasedUntil, Failing: row.Failing,
			Attempts: 0, Subject: "", Ordered: false, Manual: false, ResumeAt: nil, // others are not leased when stored
			URL: "", Secrets: nil, Headers: nil, // receive
			ContentType: m.ContentType, Payload: *m.Payload, PayloadBytes: len(*m.Payload), TraceParent: m.TraceParent,
		}
		if i.store.receive(&d, receiving{row.URL, row.Secret, row.Headers, row.OldSecrets, row.OldSecretsExpireAt}, now) {
			deliveries = append(deliveries, d)
		}
	}
	return deliveries
}

// readHeaders does not use encoding/json, which takes five times as long to read 64 kB.
func readHeaders(text []byte) (core.Headers, error) {
	if string(text) == "{}" { // nearly always
		return nil, nil
	}
	var headers core.Headers
	if err := json.Unmarshal(text, &headers); err != nil {
		return nil, fmt.Errorf("endpoint headers: %w", err)
	}
	return headers, nil
}
