package store

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/postrider/postrider/db"
)

// tracedScheme selects migrationDriver with connections that write to tracedMessages what they send.
const tracedScheme = "postrider-traced"

var tracedMessages lockedBuffer

// As in migrationdriver.go, drivers are registered before anything reads them.
func init() {
	dbmate.RegisterDriver(func(c dbmate.DriverConfig) dbmate.Driver {
		d := newMigrationDriver(c).(*migrationDriver)
		d.config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
			conn.Frontend().Trace(&tracedMessages, pgproto3.TracerOptions{SuppressTimestamps: true})
			return nil
		}
		return d
	}, tracedScheme)
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// TestMigrationsUseTheSimpleProtocol takes all migrations up, down, up and down, and allows no statement to be prepared:
// several at once cannot be, and poolers and Citus restrict those that can.
func TestMigrationsUseTheSimpleProtocol(t *testing.T) {
	t.Parallel()
	m := Migrator{Database: Database{URL: empty.New(t)}}.withDefaults()
	lock, err := m.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.close(t.Context())
	traced := migrationURL(m.Database, lock)
	traced.Scheme = tracedScheme
	d := dbmate.New(traced)
	d.FS, d.MigrationsDir = db.Migrations, []string{"migrations"}
	d.AutoDumpSchema, d.Log = false, io.Discard
	all, err := d.FindMigrations()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for range 2 {
		if err := d.Migrate(); err != nil {
			t.Fatal(err)
		}
		for range all {
			if err := d.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	}
	queries, others := 0, map[string]int{}
	for line := range strings.Lines(tracedMessages.String()) {
		switch sent, message, _ := strings.Cut(line, "\t"); {
		case sent != "F":
		case strings.HasPrefix(message, "Query\t"):
			queries++
		default:
			name, _, _ := strings.Cut(message, "\t")
			others[name]++
		}
	}
	delete(others, "Terminate")
	if queries < 4*len(all) || len(others) > 0 {
		t.Errorf("%d simple queries for %d migrations up, down, up and down; others %v", queries, len(all), others)
	}
}
