package localpg

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// longestSocketPath is the size of the path in sockaddr_un without its final zero byte: 108 - 1 on Linux, 104 - 1 on
// macOS. The smaller one fits both.
const longestSocketPath = 103

// openSocketDir creates the directory for the socket: new, empty, and inaccessible to everyone else.
//
// Its path depends only on Dir, so that leftovers of a kill -9 are reused and do not pile up. In /tmp such a name can
// be guessed, and another user may have taken it. But Mkdir fails on anything that exists, a symbolic link included,
// so what it creates is ours, and the sticky bit keeps it so. We hold the lock on Dir, so what is removed here
// belongs to no running server. A stale socket's lock file would otherwise prevent Postgres from starting when an
// unrelated process has its pid.
func (s *Server) openSocketDir(context.Context) error {
	dir, err := s.chooseSocketDir()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing an old socket directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("making the socket directory: %w", err)
	}
	s.socketDir = dir
	if err := s.account.own(dir); err != nil {
		return fmt.Errorf("giving the socket directory to %s: %w", s.account.name, err)
	}
	return nil
}

func (s *Server) chooseSocketDir() (string, error) {
	hash := sha256.Sum256([]byte(s.dir))
	name := fmt.Sprintf("postrider-%d-%x", os.Geteuid(), hash[:8])
	for _, dir := range []string{
		filepath.Join(s.dir, "socket"), // the safest: nobody else can write there
		filepath.Join(os.TempDir(), name),
		filepath.Join("/tmp", name),
	} {
		if fitsSocket(dir) && s.account.enter(filepath.Dir(dir)) == nil {
			return dir, nil
		}
	}
	return "", errors.New("no directory for the socket: all paths are too long; choose a shorter data directory")
}

// fitsSocket rejects paths with a comma, which Postgres and its clients take for a list.
func fitsSocket(dir string) bool {
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", dir, port)
	return len(socket) <= longestSocketPath && !strings.Contains(dir, ",")
}
