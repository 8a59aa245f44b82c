package localpg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	temporaryPrefix = "postrider-pg-"

	memoryDir = "/dev/shm" // a file system in memory, on Linux
	// memoryRoom is several times what the server of a test process writes. Containers have 64 MB, unless told otherwise.
	memoryRoom = 6 << 30
)

// tooYoung is far more than the microseconds between creating a temporary directory and locking it, when it looks
// abandoned.
const tooYoung = time.Minute

func (s *Server) makeTemporary(ctx context.Context) error {
	removeAbandoned(ctx, os.TempDir())
	removeAbandoned(ctx, memoryDir)
	parent := os.TempDir()
	if s.config.InMemory && os.Getenv("TMPDIR") == "" && memoryFree() >= memoryRoom {
		parent = memoryDir
	}
	dir, err := os.MkdirTemp(parent, temporaryPrefix+"*")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	s.dir, s.temporary = dir, true
	return nil
}

// removeAbandoned deletes the temporary directories of processes that ended without Stop: a test that panicked or was
// killed leaves about 40 MB, which would add up. Errors are ignored, because a directory that cannot be removed is no
// reason not to start.
func removeAbandoned(ctx context.Context, parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, temporaryPrefix+"*"))
	for _, dir := range found {
		if looksAbandoned(dir) {
			removeUnlocked(ctx, dir)
		}
	}
}

// looksAbandoned requires that the directory is ours, because anyone can create one of that name in /tmp.
func looksAbandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || time.Since(info.ModTime()) < tooYoung {
		return false
	}
	uid, _ := ownerOf(info)
	return int(uid) == os.Geteuid()
}

func removeUnlocked(ctx context.Context, dir string) {
	s := &Server{dir: dir, temporary: true}
	if s.takeLock() != nil {
		return
	}
	if s.stopLeftover(ctx) == nil {
		_ = os.RemoveAll(dir)
	}
	_ = s.lock.Unlock()
}
