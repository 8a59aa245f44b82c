package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/localpg"
)

// needsPostgres skips a test of the Postgres that Postrider starts itself where there is none: it
// would be downloaded.
func needsPostgres(t testing.TB) {
	t.Helper()
	if err := localpg.Available(); err != nil {
		t.Skip("this test needs Postgres on this machine:", err)
	}
}

// newDataDir is not t.TempDir, which root's Postgres could not enter.
func newDataDir(t testing.TB) string {
	t.Helper()
	ownProcesses(t)
	needsPostgres(t)
	dir := must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	t.Cleanup(func() {
		awaitNoneIn(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	done(t, os.Chmod(dir, 0o755))
	return filepath.Join(dir, "data")
}

// localSettings are those of a process with a Postgres of its own.
func localSettings(dir string) []string {
	return []string{"POSTRIDER_DATA_DIR=" + dir, "POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json"}
}

// awaitNoneIn waits until no process names dir in its command line: the Postgres of a process that
// was killed needs a moment to notice. Systems without /proc are not looked at.
func awaitNoneIn(t testing.TB, dir string) {
	t.Helper()
	await(t, func() string {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		done(t, err)
		for _, file := range files {
			line, err := os.ReadFile(file)
			if err == nil && bytes.Contains(line, []byte(dir)) {
				return "there is still a process in " + dir + ": " + strings.ReplaceAll(string(line), "\x00", " ")
			}
		}
		return ""
	})
}

func TestServeBringsItsOwnPostgres(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	p := start(t, localSettings(dir), "serve")
	s := service{url: "http://" + p.ready(t), settings: localSettings(dir)}
	token := s.token(t)
	c := newClient(t, s.url, token)
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	first := c.message(t, app)
	receiver.await(t, first)

	// Killed, it leaves nothing that is in the way of the next one, and everything it has stored.
	p.kill()
	p = start(t, localSettings(dir), "serve")
	c = newClient(t, "http://"+p.ready(t), token)
	must(c.Message.Get(t.Context(), app, first, nil))(t)
	second := c.message(t, app)
	receiver.await(t, second)

	p.stop(t)
	awaitNoneIn(t, dir)
	if info := must(os.Stat(filepath.Join(dir, "jwt-secret")))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's mode is %v", info.Mode())
	}
}

func TestKilledServeLeavesNoPostgresBehind(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	p := start(t, localSettings(dir), "serve")
	p.ready(t)
	p.kill()
	awaitNoneIn(t, dir)
}

func TestSecondStartOnOneDataDirIsRefused(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	first := start(t, localSettings(dir), "serve")
	first.ready(t)
	second := command(t, localSettings(dir), "serve")
	if second.code != 1 || strings.Count(second.stderr, "\n") != 1 ||
		!strings.Contains(second.stderr, dir) || !strings.Contains(second.stderr, "another process") {
		t.Errorf("exit code %d, stderr %q; want 1 and one line that says what is in the way", second.code, second.stderr)
	}
	if first.hasEnded() {
		t.Error("the first one ended")
	}
	first.stop(t)
}

func TestUnusableDataDirIsToldBySetting(t *testing.T) {
	t.Parallel()
	needsPostgres(t)
	got := command(t, localSettings("/dev/null/postrider"), "serve")
	if got.code == 0 || !strings.Contains(got.stderr, "POSTRIDER_DATA_DIR") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q; want one line that names POSTRIDER_DATA_DIR", got.code, got.stderr)
	}
}

func TestMigrateWorksOnTheLocalPostgres(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	if got := command(t, localSettings(dir), "migrate", "up"); got.code != 0 || !strings.Contains(got.stdout, "[x]") {
		t.Errorf("exit code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
	}
	awaitNoneIn(t, dir)
}
