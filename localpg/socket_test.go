package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketFindsAShortPlace(t *testing.T) {
	t.Parallel()
	parent := newDir(t)
	for _, name := range []string{
		strings.Repeat("too-long-", 9),
		"a,b", // clients would take it for two hosts
	} {
		dir := filepath.Join(parent, name)
		s := start(t, Config{Dir: dir, Ephemeral: true})
		query(t, s, "SELECT 'reached'")
		must(t, s.Stop())
		if _, err := os.Stat(s.socketDir); err == nil {
			t.Errorf("%s is still there", s.socketDir)
		}
	}
}

// Any user who can write in /tmp can guess the name and create a link there first.
func TestSocketDirectoryIsNotALink(t *testing.T) {
	t.Parallel()
	dir, target := newDir(t), newDir(t)
	must(t, os.Symlink(target, filepath.Join(dir, "socket")))
	s := start(t, Config{Dir: dir, Ephemeral: true})
	info, err := os.Lstat(s.socketDir)
	must(t, err)
	if !info.IsDir() {
		t.Errorf("the socket's directory is %v", info.Mode())
	}
	if info, err = os.Stat(target); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the target of the link was touched: %v, %v", info.Mode(), err)
	}
}
