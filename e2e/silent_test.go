package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// silencer is a way to a database that can go silent: connections stay open, new ones too, and nothing gets through. Once it
// is healed, new connections work, and those there were stay as they are, as after a firewall forgot them.
type silencer struct {
	address string
	to      *pgx.ConnConfig
	epoch   atomic.Int64 // odd: silent. Connections of other epochs than this one's are dropped
}

func newSilencer(t testing.TB, database string) *silencer {
	t.Helper()
	s := &silencer{to: must(pgx.ParseConfig(database))(t)}
	s.address = serveTCP(t, s.join)
	return s
}

func (s *silencer) hush() { s.epoch.Add(1) }

func (s *silencer) heal() { s.epoch.Add(1) }

func (s *silencer) join(conn net.Conn) {
	defer conn.Close()
	epoch := s.epoch.Load()
	if epoch%2 != 0 {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	kind, address := pgconn.NetworkAddress(s.to.Host, s.to.Port)
	server, err := net.Dial(kind, address)
	if err != nil {
		return
	}
	var there sync.WaitGroup
	there.Go(func() {
		defer server.Close()
		s.copy(server, conn, epoch)
	})
	s.copy(conn, server, epoch)
	server.Close()
	if s.epoch.Load() != epoch {
		there.Wait()
		_, _ = io.Copy(io.Discard, conn) // the server's end is not passed on either
	}
	conn.Close()
	there.Wait()
}

func (s *silencer) copy(to io.Writer, from io.Reader, epoch int64) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if s.epoch.Load() != epoch {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// ofOutbox is how many webhooks came of messages that these tests left in the outbox.
func (r *receiver) ofOutbox() (n int) {
	for _, a := range r.all() {
		if strings.HasPrefix(string(a.body), `{"outbox":`) {
			n++
		}
	}
	return n
}

// silenceWithin is how soon all parts go on after a database was silent: a statement has 30 s, a connection that listens
// is asked after 15 s, and those that were idle cost 3 s each. It is generous for the sake of slow machines.
const silenceWithin = 100 * time.Second

// TestSilentDatabaseIsNotWaitedForForEver drops all connections of a process without a word.
func TestSilentDatabaseIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	way := newSilencer(t, database)
	p := start(t, settings(urlAt(database, way.address), opsSetting), "serve")
	s := p.service(t)
	c, url := newClient(t, s.url, s.token(t)), p.ops(t) // of the outbox's default organisation
	app, r := c.application(t), newReceiver(t, nil)
	endpoint := r.endpoint(t, c, app)
	r.await(t, c.message(t, app))

	way.hush()
	awaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "no answer")
	execute(t, database, "SELECT message_send('"+app+"', 'of.the.outbox', '{\"outbox\":true}')")
	done(t, pause(t.Context(), 2*time.Second)) // each part has begun something that is not answered
	healed := time.Now()
	way.heal()

	awaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	ready := time.Since(healed)
	var last string
	await(t, func() string { // the API
		answer, err := c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"after","payload":{}}`)
		if err != nil || answer.status != http.StatusAccepted {
			return fmt.Sprintf("no message is accepted: %d, %v", answer.status, err)
		}
		var out struct{ ID string }
		answer.decode(t, &out)
		last = out.ID
		return ""
	})
	accepted := time.Since(healed)
	r.await(t, last)
	await(t, func() string { // the outbox, and the worker that takes what others stored
		if r.ofOutbox() == 0 {
			return "the message in the outbox is not delivered"
		}
		return ""
	})
	outbox := time.Since(healed)
	var task struct{ ID string }
	c.call(t, http.StatusAccepted, "POST", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/recover",
		fmt.Sprintf(`{"since":%q}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))).decode(t, &task)
	c.finished(t, task.ID) // jobs
	jobs := time.Since(healed)
	await(t, func() string { // LISTEN
		n := 0
		query(t, database, fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "+
			"query ~* '(^|\\n)listen ' AND backend_start > to_timestamp(%d)", healed.Unix()), &n)
		if n == 0 {
			return "no connection listens anew"
		}
		return ""
	})
	listening := time.Since(healed)
	t.Logf("after the database healed: ready %s, accepted %s, outbox %s, jobs %s, listening %s", ready, accepted, outbox, jobs, listening)
	if all := time.Since(healed); all > silenceWithin {
		t.Errorf("it took %s until all went on, want at most %s", all, silenceWithin)
	}
}
