// Package localpg runs a private Postgres for as long as the calling process lives: for developers without a
// database, and for tests. It finds the binaries or downloads them, creates the cluster, and starts the server
// without network access. After kill -9 of the process, no server stays behind, and nothing prevents the next start.
//
// The package does not know what the database is for, and imports no other package of this module. It supports Linux
// and macOS. It is not for production, where the database must outlive the process.
package localpg

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// With trust authentication, anyone who can reach the socket is superuser. That is safe because nobody else can:
// there is no TCP, and only the server's account and root may enter the socket's directory.
const (
	superuser = "postrider"
	database  = "postrider"
	port      = 5432 // only names the socket's file; fixed, so that PGPORT cannot change it
)

// Config configures a server.
type Config struct {
	// Dir is an absolute path. It holds the cluster (data/), the lock, the log and, if the path is short enough, the
	// socket; the caller may keep its own files there. Start creates it with mode 0700 if it is missing; see enterable
	// for root.
	Dir string

	// Ephemeral trades durability for speed, for tests and demos. If Dir is empty, Start creates a temporary
	// directory, and Stop removes it.
	Ephemeral bool

	// InMemory makes that temporary directory in memory, if there is room and TMPDIR names no other place. Databases are
	// created and dropped ten times as fast there: each has hundreds of files.
	InMemory bool

	// Log receives the output of the server. If nil, the output goes to postgres.log in Dir, which each Start begins
	// anew; the previous one is kept as postgres.log.1.
	Log io.Writer
}

// Server is a running Postgres.
type Server struct {
	config    Config
	dir       string
	temporary bool // we created dir and remove it
	lock      *flock.Flock
	account   account
	bin       binaries
	socketDir string
	output    tail
	process   *os.Process
	exit      error         // why the process ended; only valid after done
	done      chan struct{} // closed when the process has ended
	stop      func() error
}

// Start returns once the server accepts connections. ctx bounds the start only; cancelling it later has no effect.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c, dir: c.Dir, done: make(chan struct{})}
	s.stop = sync.OnceValue(s.release)
	steps := []func(context.Context) error{
		s.claimDir, s.stopLeftover, s.ensureCluster, s.openSocketDir, s.launch, s.awaitReady,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			_ = s.Stop() // the caller needs the first error
			return nil, fmt.Errorf("starting a local Postgres in %s: %w", s.dir, err)
		}
	}
	return s, nil
}

// URL returns the URL of the database "postrider". It works with pgx and lib/pq (which requires sslmode).
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(database string) string {
	query := url.Values{
		"host":    {s.socketDir},
		"port":    {strconv.Itoa(port)},
		"sslmode": {"disable"},
	}
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Path:   "/" + database,
		// Libpq and pgx read a plus sign as itself, not as the space that Encode means.
		RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20"),
	}
	return u.String()
}

// Done is closed once the postgres process has exited, expectedly or not. Stop must still be called.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts the server down and releases everything that Start acquired. Further calls return the result of the first.
func (s *Server) Stop() error { return s.stop() }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
