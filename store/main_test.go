package store

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg/pgtest"
)

// pg provides databases that are migrated and have partitions for the current weeks.
var pg = pgtest.Template(func(ctx context.Context, url string) error {
	if err := Migrate(ctx, Database{URL: url}); err != nil {
		return err
	}
	s, err := Open(ctx, Config{Database: Database{URL: url}, Clock: time.Now})
	if err != nil {
		return err
	}
	defer s.Close()
	for _, p := range core.PartitionsAround(time.Now()) {
		if _, err := s.PartitionCreate(ctx, p); err != nil {
			return err
		}
	}
	return nil
})

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }

const testOrg core.OrgID = "org_test"

// world is a database of the test's own that contains one application.
type world struct {
	*Store
	t   *testing.T
	app core.Application

	worker *DeliveryQueue // made by queue
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, nil)
}

// newWorldWith encrypts secrets with the given keys.
func newWorldWith(t *testing.T, keys SecretKeys) *world {
	t.Helper()
	w := &world{Store: openStore(t, pg.New(t), keys), t: t}
	w.app = w.addApplication(testOrg, "acme")
	w.sweep(now()) // as a worker does when it starts
	return w
}

func openStore(t *testing.T, url string, keys SecretKeys) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Database: Database{URL: url}, Clock: time.Now, SecretKeys: keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// in runs work as a unit of work, which must succeed.
func (w *world) in(work func(context.Context, core.Tx) error) {
	w.t.Helper()
	if err := w.InTx(w.t.Context(), work); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) addApplication(org core.OrgID, uid string) core.Application {
	w.t.Helper()
	app := core.Application{
		OrgID: org, ID: core.NewAppID(now()), UID: &uid, Name: uid, Metadata: core.Metadata{},
		CreatedAt: now(), UpdatedAt: now(),
	}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, app) })
	return app
}

// addEndpoint creates an endpoint that wants everything, unless change restricts it.
func (w *world) addEndpoint(change func(*core.Endpoint)) core.Endpoint {
	w.t.Helper()
	e := core.Endpoint{
		AppID: w.app.ID, ID: core.NewEndpointID(now()), URL: "http://example.test/", Version: 1,
		Secret: core.NewSecret(), OldSecrets: []core.Secret{}, OldSecretsExpireAt: []time.Time{},
		Headers: core.Headers{"X-Team": "billing"}, Metadata: core.Metadata{},
		CreatedAt: now(), UpdatedAt: now(),
	}
	if change != nil {
		change(&e)
	}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointInsert(ctx, e) })
	return e
}

// event returns a message to the world's application.
func (w *world) event(change func(*core.NewMessage)) core.NewMessage {
	payload := `{"a": 1}`
	m := core.NewMessage{
		Message: core.Message{
			ID: core.NewMessageID(now()), EventType: "invoice.paid", Payload: &payload,
			ExpiresAt: now().Add(time.Hour), CreatedAt: now(),
		},
		OrgID: testOrg, AppRef: string(w.app.ID),
	}
	if change != nil {
		change(&m)
	}
	return m
}

// owed returns the number of owed deliveries per endpoint.
func (w *world) owed() map[core.EndpointID]int {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), "SELECT endpoint_id FROM delivery")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	owed := map[core.EndpointID]int{}
	for rows.Next() {
		var id core.EndpointID
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		owed[id]++
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return owed
}

// exec runs SQL that is only needed by a test.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// value reads one value with SQL that is only needed by a test.
func value[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	var v T
	if err := w.pool.QueryRow(w.t.Context(), sql, args...).Scan(&v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// room returns room for everything that a test sends.
func room() core.Room {
	return core.Room{Total: 100, PerEndpoint: 100, LeasedUntil: now().Add(time.Minute)}
}

// takes is a dispatcher that has a fixed room and records the deliveries that it gets.
type takes struct {
	room  core.Room
	taken []core.Delivery
	freed int
}

func (d *takes) Reserve(time.Time) core.Room { return d.room }
func (d *takes) Dispatch(room core.Room, deliveries []core.Delivery) {
	d.freed += room.Total
	d.taken = append(d.taken, deliveries...)
}

// listener calls those of its functions that are not nil.
type listener struct {
	wake   func()
	recall func(core.AppID)
}

func (l listener) WakeFresh() { l.Wake() }

func (l listener) Wake() {
	if l.wake != nil {
		l.wake()
	}
}

func (l listener) Recall(app core.AppID) {
	if l.recall != nil {
		l.recall(app)
	}
}

// service returns the use cases on the test's database; it creates list pages.
func (w *world) service() *core.Service { return w.serviceOn(w.Store, time.Now) }

// serviceOn returns the use cases of the API on another store or at another time. No test here issues tokens.
func (w *world) serviceOn(s core.Store, clock func() time.Time) *core.Service {
	return core.NewService(s, NewMessageInserter(w.Store, nil), nil, clock, core.EndpointRules{})
}

func (w *world) ingest() *core.Ingest {
	return core.NewIngest(w.Store, NewMessageInserter(w.Store, nil), time.Now)
}

func (w *world) tasks() *core.Tasks { return w.tasksOn(w.Store, time.Now) }

// tasksOn returns the use cases of the jobs on another store or at another time.
func (w *world) tasksOn(s core.Store, clock func() time.Time) *core.Tasks {
	return core.NewTasks(s, clock)
}

// tasksAhead returns the use cases of the jobs at a future time, when it is the turn of waiting tasks again.
func (w *world) tasksAhead(by time.Duration) *core.Tasks { return w.tasksOn(w.Store, ahead(by)) }

func ahead(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

func (w *world) revocations() *core.Revocations { return core.NewRevocations(w.Store, time.Now) }
