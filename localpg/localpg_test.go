package localpg

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/lib/pq"
)

func TestDataOutlivesTheServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir})
	query(t, s, "SELECT lo_from_bytea(4711, 'kept')::text") // a large object: writing it returns a row
	must(t, s.Stop())

	again := start(t, Config{Dir: dir})
	if got := query(t, again, "SELECT convert_from(lo_get(4711), 'UTF8')"); got != "kept" {
		t.Errorf("after the restart it reads %q", got)
	}
	if got := query(t, again, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s for a cluster that is kept", got)
	}
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log.1"))
	if err != nil || !bytes.Contains(log, []byte("database system is shut down")) {
		t.Errorf("the log of the first server does not tell its end: %v: %s", err, log)
	}
}

func TestOnlyTheSocketLeadsToTheServer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Ephemeral: true})
	if got := query(t, s, "SHOW listen_addresses"); got != "" {
		t.Errorf("it listens on %q", got)
	}
	info, err := os.Stat(s.socketDir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's directory has mode %v", info.Mode())
	}
}

func TestURLServesLibPQ(t *testing.T) {
	t.Parallel()
	// A space, as in "Application Support" on macOS.
	s := start(t, Config{Dir: filepath.Join(newDir(t), "a space"), Ephemeral: true})
	db, err := sql.Open("postgres", s.URL())
	must(t, err)
	defer db.Close()
	var name string
	must(t, db.QueryRow("SELECT current_database()").Scan(&name))
	if name != "postrider" {
		t.Errorf("the URL leads to the database %q", name)
	}
}

func TestSecondStartInTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir, Ephemeral: true})
	_, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true})
	if err == nil || !strings.Contains(err.Error(), dir+": another process is using this directory") {
		t.Errorf("the second start answered: %v", err)
	}
	query(t, s, "SELECT 'the first one is unharmed'")
}

func TestStopTwiceAndDone(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Ephemeral: true})
	must(t, s.Stop())
	must(t, s.Stop())
	<-s.Done()
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
}

func TestDoneTellsOfAnUnexpectedEnd(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Ephemeral: true})
	must(t, s.process.Signal(syscall.SIGKILL))
	<-s.Done()
	must(t, s.Stop())
}

func TestCtrlCDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Ephemeral: true})
	group, err := syscall.Getpgid(s.process.Pid)
	must(t, err)
	if group != s.process.Pid {
		t.Errorf("the server is in the process group %d with others", group)
	}
}

func TestEarlyExitShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	var log bytes.Buffer
	must(t, start(t, Config{Dir: dir, Ephemeral: true, Log: &log}).Stop())
	settings := filepath.Join(dir, "data", "postgresql.auto.conf")
	must(t, os.WriteFile(settings, []byte("no_such_setting = 1\n"), 0o600))

	_, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true, Log: &log})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("the error does not show the log: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %v", err)
	}
	if !strings.Contains(log.String(), "no_such_setting") {
		t.Error("the caller's log does not have it")
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled start answered: %v", err)
	}
	start(t, Config{Dir: dir, Ephemeral: true})
}

func TestDirMustBeAbsolute(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", "data"} {
		if _, err := Start(t.Context(), Config{Dir: dir}); err == nil {
			t.Errorf("%q was accepted", dir)
		}
	}
}
