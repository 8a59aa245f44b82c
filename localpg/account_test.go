package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func skipUnlessRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as another user")
	}
}

func TestRootsServerRunsAsAnotherUser(t *testing.T) {
	skipUnlessRoot(t)
	t.Parallel()
	dir := filepath.Join(newDir(t), "closed")
	must(t, os.Mkdir(dir, 0o700)) // like a caller that put a secret there first
	secret := filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, nil, 0o600))
	s := start(t, Config{Dir: dir, Ephemeral: true})

	for path, want := range map[string]os.FileMode{dir: 0o711, secret: 0o600, s.data(): 0o700} {
		info, err := os.Stat(path)
		must(t, err)
		uid, _ := ownerOf(info)
		if ours := path != s.data(); info.Mode().Perm() != want || (uid == 0) != ours {
			t.Errorf("%s has mode %v and owner %d", path, info.Mode(), uid)
		}
	}
	sql := "SELECT pg_read_file('" + secret + "')"
	if _, err := tryQuery(t, s, sql); err == nil || !strings.Contains(err.Error(), "ermission denied") {
		t.Errorf("the server's account read root's file: %v", err)
	}
}

func TestClosedParentIsNamed(t *testing.T) {
	skipUnlessRoot(t)
	t.Parallel()
	dir := newDir(t)
	must(t, os.Chmod(dir, 0o700))
	_, err := Start(t.Context(), Config{Dir: filepath.Join(dir, "below")})
	if err == nil || !strings.Contains(err.Error(), dir+" is not accessible to user ") {
		t.Errorf("the error does not name the closed directory: %v", err)
	}
}

func TestExistingClusterChoosesItsOwner(t *testing.T) {
	skipUnlessRoot(t)
	t.Parallel()
	data := filepath.Join(newDir(t), "data")
	must(t, os.Mkdir(data, 0o700))
	must(t, os.Chown(data, 1234, 5678))
	a, err := serverAccount(data)
	must(t, err)
	if a.credential.Uid != 1234 || a.credential.Gid != 5678 {
		t.Errorf("the server would run as %+v", *a.credential)
	}
}
