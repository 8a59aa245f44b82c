// Package localpg runs a Postgres of its own for as long as the calling process lives: the database
// of a developer who gave none, and of the tests. It finds the binaries (or downloads them), makes
// the cluster, starts the server where no network reaches it, and takes care that a process killed
// with kill -9 leaves neither an orphan nor anything that keeps the next one from starting.
//
// It must not know what the database is for: it imports nothing else of this module. It is for
// Linux and macOS, and not for production, where the database must outlive the process.
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

// Trust authentication gives the superuser to whoever reaches the socket. That is sound because
// nobody else does: there is no TCP, and the socket's directory is closed to all but the account of
// the server, and root.
const (
	superuser = "postrider"
	database  = "postrider"
	port      = 5432 // names the socket's file only; fixed, so that PGPORT cannot change it
)

// Config says where a server keeps its things.
type Config struct {
	// Dir is absolute and holds the cluster (data/), the lock, the log and, if its path is short
	// enough, the socket. The caller may keep files of its own there. It is made if missing, with
	// mode 0700; see enterable for what happens as root.
	Dir string

	// Ephemeral is for tests: it trades the safety of the data for speed. An empty Dir then means
	// a new temporary one, which Stop removes.
	Ephemeral bool

	// Log takes the server's own output; nil means the file postgres.log in Dir, which starts anew
	// at each Start while its predecessor stays as postgres.log.1.
	Log io.Writer
}

// Server is a running Postgres.
type Server struct {
	config    Config
	dir       string
	temporary bool // dir is ours to remove
	lock      *flock.Flock
	account   account
	bin       binaries
	socketDir string
	output    tail
	process   *os.Process
	exit      error         // why the process ended; read it only after done
	done      chan struct{} // closed when the process has ended
	stop      func() error
}

// Start returns when the server accepts connections. ctx bounds the start alone: cancelling it later
// changes nothing.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c, dir: c.Dir, done: make(chan struct{})}
	s.stop = sync.OnceValue(s.release)
	steps := []func(context.Context) error{
		s.claimDir, s.stopLeftover, s.ensureCluster, s.openSocketDir, s.launch, s.awaitReady,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			_ = s.Stop() // What went wrong first is what the caller needs to know.
			return nil, fmt.Errorf("starting a local Postgres in %s: %w", s.dir, err)
		}
	}
	return s, nil
}

// URL is that of the database "postrider", for pgx and for lib/pq (which wants sslmode said).
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

// Done is closed when the postgres process has exited, expected or not. Stop must be called all the
// same.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts the server down and gives back all that Start took. A second call returns what the
// first one did.
func (s *Server) Stop() error { return s.stop() }

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
