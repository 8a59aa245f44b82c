package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/store"
)

var pg = pgtest.Template(func(ctx context.Context, url string) error { return store.Migrate(ctx, store.Database{URL: url}) })

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }

const org core.OrgID = "org_test"

// broker is a database with an application.
type broker struct {
	url    string
	store  *store.Store
	ingest *core.Ingest
}

func newBroker(t testing.TB) sourcetest.Broker {
	t.Helper()
	b := &broker{url: pg.New(t)}
	s, err := store.Open(t.Context(), store.Config{Database: store.Database{URL: b.url}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	inserter := store.NewMessageInserter(s, nil)
	b.store, b.ingest = s, core.NewIngest(s, inserter, time.Now)
	service := core.NewService(s, inserter, nil, time.Now, core.EndpointRules{})
	uid := sourcetest.App
	in := core.ApplicationIn{UID: &uid, Name: uid}
	if _, _, err := service.ApplicationCreate(t.Context(), core.Scope{OrgID: org}, in, false); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) Source(testing.TB) ingest.Source { return New(b.store, time.Now) }

// run runs statements on a connection of its own, as another application would.
func (b *broker) run(t testing.TB, work func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := work(ctx, conn); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	b.run(t, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

func (b *broker) Produce(t testing.TB, produced ...sourcetest.Produced) {
	t.Helper()
	b.run(t, func(ctx context.Context, conn *pgx.Conn) error { return send(ctx, conn, produced...) })
}

func send(ctx context.Context, to interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}, produced ...sourcetest.Produced,
) error {
	batch := &pgx.Batch{}
	for _, p := range produced {
		var in struct {
			Application, EventType string
			Payload                json.RawMessage
		}
		if err := json.Unmarshal([]byte(p.Body), &in); err != nil {
			return err
		}
		batch.Queue("SELECT message_send($1, $2, $3, traceparent => $4, org_id => $5)",
			in.Application, in.EventType, string(in.Payload), p.Headers["traceparent"], string(org))
	}
	return to.SendBatch(ctx, batch).Close()
}

func (b *broker) DeadLetters(t testing.TB) (letters []sourcetest.DeadLetter) {
	t.Helper()
	b.run(t, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT format('{"application": "%s", "eventType": "%s", "payload": %s}', application, event_type, payload), reason
			FROM outbox_dead_letter ORDER BY id`)
		if err != nil {
			return err
		}
		letters, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sourcetest.DeadLetter])
		return err
	})
	return letters
}

// Break ends all sessions of the database and prevents new ones.
func (b *broker) Break(t testing.TB) {
	t.Helper()
	b.administer(t, "ALTER DATABASE %s ALLOW_CONNECTIONS false")
	b.administer(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'")
}

func (b *broker) Mend(t testing.TB) {
	t.Helper()
	b.administer(t, "ALTER DATABASE %s ALLOW_CONNECTIONS true")
}

// administer runs a statement about the database from outside of it.
func (b *broker) administer(t testing.TB, statement string) {
	t.Helper()
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	outside := &broker{url: u.String()}
	outside.exec(t, strings.ReplaceAll(statement, "%s", name))
}

func sinkOf(_ testing.TB, b sourcetest.Broker) ingest.Sink { return Sink(b.(*broker).ingest) }

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{Broker: newBroker, Readable: true, Uncounted: true, Sink: sinkOf, Decode: Decode}.Run(t)
}

// Channels and tags have the same meaning in the outbox as in a request.
func TestOutboxReadsNamesAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	b := newBroker(t).(*broker)
	b.exec(t, `SELECT message_send($1, 'a', '{}', channels => '{x,y,x}', tags => '{t,t}', org_id => $2)`, sourcetest.App, string(org))
	b.exec(t, `SELECT message_send($1, 'a', '{}', tags => '{}', org_id => $2)`, sourcetest.App, string(org))
	batch, err := b.Source(t).Receive(t.Context())
	if err != nil || len(batch) != 2 {
		t.Fatalf("received %d messages, %v", len(batch), err)
	}
	first, firstErr := Decode(batch[0])
	second, secondErr := Decode(batch[1])
	if err := errors.Join(firstErr, secondErr); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Channels, []string{"x", "y"}) || !slices.Equal(first.Tags, []string{"t"}) || second.Tags != nil || second.Channels != nil {
		t.Errorf("read %+v and %+v", first.MessageIn, second.MessageIn)
	}
}
