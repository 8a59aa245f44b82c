package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"
)

// DefaultDir returns the data directory of the current user.
func DefaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/postrider", nil
	}
	// The XDG specification says to ignore a relative path.
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "postrider"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("choosing a data directory: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "postrider"), nil
	}
	return filepath.Join(home, ".local", "share", "postrider"), nil
}

// claimDir prepares the directory: it exists, the server's account may enter it, and we hold its lock.
func (s *Server) claimDir(ctx context.Context) error {
	if s.dir == "" && s.config.Ephemeral {
		if err := s.makeTemporary(ctx); err != nil {
			return err
		}
	}
	if !filepath.IsAbs(s.dir) {
		return errors.New("the directory must be an absolute path")
	}
	var err error
	if s.account, err = serverAccount(s.data()); err != nil {
		return err
	}
	if err := enterable(s.dir, s.account); err != nil {
		return err
	}
	return s.takeLock()
}

// enterable creates dir, if missing, and lets a traverse it. Root's server runs as another user, so root's directory
// has mode 0711 instead of 0700: the server's account reaches data/ and the socket, but can neither list the
// directory nor write in it, and a file of mode 0600 in it stays root's. A group of root and that account (0710)
// would be narrower, but would have to follow whenever the account changes, as it does when someone installs Postgres
// and with it the user postgres. Existing parents are the administrator's, so they are checked and not changed.
func enterable(dir string, a account) error {
	mode := os.FileMode(0o700)
	if a.isOther() {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	if a.enter(dir) == nil {
		return nil
	}
	// The directory existed with a narrower mode, or the umask removed bits.
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("looking at the directory: %w", err)
	}
	if err := os.Chmod(dir, info.Mode().Perm()|0o111); err != nil {
		return fmt.Errorf("opening the directory to %s: %w", a.name, err)
	}
	return a.enter(dir)
}

const lockFile = "lock"

// takeLock ensures that two processes never share a cluster. The kernel releases the lock when the process ends,
// however it ends. Go opens files close-on-exec, so the server does not inherit the lock.
func (s *Server) takeLock() error {
	s.lock = flock.New(filepath.Join(s.dir, lockFile))
	taken, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("locking the directory: %w", err)
	}
	if !taken {
		return errors.New("another process is using this directory; stop it or choose another directory")
	}
	return nil
}
