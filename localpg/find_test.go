package localpg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestFindReturnsTheServerOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	startHelper(t, dir)
	url, err := Find(t.Context(), dir)
	must(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(t.Context())
	var name, data string
	must(t, conn.QueryRow(t.Context(), "SELECT current_database(), current_setting('data_directory')").Scan(&name, &data))
	if name != database || data != filepath.Join(dir, "data") {
		t.Errorf("found the database %q in %s", name, data)
	}
}

func TestFindReturnsNothingWhereNoServerRuns(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(newDir(t), "missing")
	stopped := newDir(t)
	must(t, start(t, Config{Dir: stopped, Ephemeral: true}).Stop())
	for _, dir := range []string{missing, stopped} {
		if url, err := Find(t.Context(), dir); url != "" || err != nil {
			t.Errorf("%s: %q, %v", dir, url, err)
		}
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("looking for a server made its directory: %v", err)
	}
	start(t, Config{Dir: stopped, Ephemeral: true}) // the lock is released
}

func TestFindSaysThatAServerIsStarting(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	holder := &Server{dir: dir}
	must(t, os.MkdirAll(dir, 0o700))
	must(t, holder.takeLock())
	defer func() { must(t, holder.lock.Unlock()) }()
	if url, err := Find(t.Context(), dir); url != "" || err == nil {
		t.Errorf("%q, %v; want an error", url, err)
	}
}
