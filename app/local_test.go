package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/store"
)

// localServer simulates a running serve: a Postgres in a data directory.
func localServer(t *testing.T) (dir, url string) {
	t.Helper()
	top, err := os.MkdirTemp("", "postrider-app-*") // the account of root's Postgres cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(top, "data")
	pg, err := localpg.Start(t.Context(), localpg.Config{Dir: dir, Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	return dir, pg.URL()
}

func TestMigrateStatusReadsTheDatabaseOfARunningServe(t *testing.T) {
	t.Parallel()
	dir, url := localServer(t)
	if err := store.Migrate(t.Context(), store.Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]int{"migrate status": exitOK, "secrets status": exitOK, "migrate down": exitFailed} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append(strings.Fields(command), "--data-dir="+dir), &out, &errs)
		if code != want || strings.Contains(out.String(), "[ ]") {
			t.Errorf("%s: exit %d, want %d; printed %q and %q", command, code, want, out.String(), errs.String())
		}
		if command == "migrate status" && !strings.Contains(out.String(), "[x] ") {
			t.Errorf("printed %q", out.String())
		}
	}
}

func TestDemoRunsBesideServeAndLeavesItsDataDirectoryAlone(t *testing.T) {
	t.Parallel()
	dir, _ := localServer(t)
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{"demo", "--data-dir=" + dir}, &out, &errs); code != exitOK || errs.Len() > 0 {
		t.Errorf("exit %d, printed %q and %q", code, out.String(), errs.String())
	}
	if _, err := os.Stat(filepath.Join(dir, secretFile)); !os.IsNotExist(err) {
		t.Errorf("a secret was kept: %v", err)
	}
}
