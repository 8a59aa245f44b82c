package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
)

// Find returns the URL of the server that another process runs in dir, or "" if none does. The server stops when that
// process ends, even if the caller is still connected.
func Find(ctx context.Context, dir string) (string, error) {
	taken, err := isLocked(dir)
	if err != nil || !taken {
		return "", err
	}
	s := &Server{dir: dir}
	s.socketDir, err = readSocketDir(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return "", fmt.Errorf("another process is starting or stopping the Postgres in %s; try again: %w", dir, err)
	}
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", fmt.Errorf("connecting to the Postgres that another process runs in %s: %w", dir, err)
	}
	return s.URL(), conn.Close(ctx)
}

// isLocked reports whether another process holds the lock on dir. It makes neither the directory nor the lock's file.
func isLocked(dir string) (bool, error) {
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("looking for a lock: %w", err)
	}
	lock := flock.New(path)
	taken, err := lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("trying the lock: %w", err)
	}
	return !taken, lock.Unlock()
}

// socketDirLine is the line of postmaster.pid that contains the socket's directory, counted from 0.
const socketDirLine = 4

func readSocketDir(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) <= socketDirLine || lines[socketDirLine] == "" {
		return "", fmt.Errorf("%s has no socket directory yet", file)
	}
	return lines[socketDirLine], nil
}
