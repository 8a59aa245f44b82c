package bouncer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Not parallel: it changes PATH.
func TestCrashOfPgBouncerIsFollowedByAStart(t *testing.T) {
	Need(t)
	real, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bouncer-test-*") // unlike t.TempDir, other accounts can enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	crashes := fmt.Sprintf("#!/bin/sh\nmkdir %[1]s/crashed 2>/dev/null || exec %[2]s \"$@\"\necho 'FATAL @src/objects.c:1060 %[3]s: 0'\nexit 1\n", dir, real, crash)
	if err := os.WriteFile(filepath.Join(dir, "pgbouncer"), []byte(crashes), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	b := New(t, Config{Server: "postgres://someone@localhost/any"}) // accepts connections, so it runs
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
	if said := b.output.String(); strings.Count(said, crash) != 1 {
		t.Errorf("PgBouncer said:\n%s", said)
	}
}
