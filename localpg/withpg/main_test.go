package main

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCommandFindsTheServer(t *testing.T) {
	t.Parallel()
	// The socket is at PGHOST and PGPORT, and the URL names the same place.
	script := `test -S "$PGHOST/.s.PGSQL.$PGPORT" && test "$PGUSER $PGDATABASE" = "postrider postrider" &&
		case "$DATABASE_URL" in postgres://postrider@/postrider\?*) exit 7;; esac`
	code, err := run(t.Context(), []string{"sh", "-c", script})
	if code != 7 || err != nil {
		t.Errorf("it exited with %d, %v", code, err)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0},
		{"exit 3", 3},
		{"kill -9 $$", 128 + 9},
	} {
		code, err := runCommand(t.Context(), []string{"sh", "-c", test.script}, nil)
		if code != test.code || err != nil {
			t.Errorf("%s: %d, %v", test.script, code, err)
		}
	}
	code, err := runCommand(t.Context(), []string{"no-such-command"}, nil)
	if code != exitNotFound || !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a missing command: %d, %v", code, err)
	}
}

func TestInterruptEndsTheCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	code, _ := runCommand(ctx, []string{"sleep", "600"}, nil)
	if code != 128+15 {
		t.Errorf("it exited with %d", code)
	}
}
