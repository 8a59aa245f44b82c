package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
	"github.com/postrider/postrider/localpg"
)

// needsPostgres skips a test of the Postgres that Postrider starts itself if this machine has no Postgres, because
// Postrider would download it.
func needsPostgres(t testing.TB) {
	t.Helper()
	if err := localpg.Available(); err != nil {
		t.Skip("this test needs Postgres on this machine:", err)
	}
}

// newDataDir returns a new data directory. It does not use t.TempDir: if the test runs as root, the account that
// Postgres runs as cannot enter that.
func newDataDir(t testing.TB) string {
	t.Helper()
	rig.NeedOwnProcesses(t)
	needsPostgres(t)
	dir := rig.Must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	t.Cleanup(func() {
		awaitNoneIn(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	rig.NoError(t, os.Chmod(dir, 0o755))
	return filepath.Join(dir, "data")
}

// localSettings returns the settings of a process that starts its own Postgres.
func localSettings(dir string) []string {
	return []string{"POSTRIDER_DATA_DIR=" + dir, "POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json"}
}

// awaitNoneIn waits until no process has dir in its command line, because the Postgres of a killed process needs a
// moment to notice. It does nothing on systems without /proc.
func awaitNoneIn(t testing.TB, dir string) {
	t.Helper()
	rig.Await(t, func() string {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		rig.NoError(t, err)
		for _, file := range files {
			line, err := os.ReadFile(file)
			if err == nil && bytes.Contains(line, []byte(dir)) {
				return "there is still a process in " + dir + ": " + strings.ReplaceAll(string(line), "\x00", " ")
			}
		}
		return ""
	})
}

func TestServeBringsOwnPostgres(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	p := rig.Start(t, localSettings(dir), "serve")
	s := rig.Service{URL: "http://" + p.AwaitReady(t), Settings: localSettings(dir)}
	token := s.NewToken(t)
	c := rig.NewClient(t, s.URL, token)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	first := c.SendMessage(t, app)
	receiver.Await(t, first)

	// A killed process keeps everything it has stored, and leaves nothing behind that obstructs the next one.
	p.Kill()
	p = rig.Start(t, localSettings(dir), "serve")
	c = rig.NewClient(t, "http://"+p.AwaitReady(t), token)
	rig.Must(c.Message.Get(t.Context(), app, first, nil))(t)
	second := c.SendMessage(t, app)
	receiver.Await(t, second)

	p.Stop(t)
	awaitNoneIn(t, dir)
	if info := rig.Must(os.Stat(filepath.Join(dir, "jwt-secret")))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's mode is %v", info.Mode())
	}
}

func TestServeKilledLeavesNoPostgresBehind(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	p := rig.Start(t, localSettings(dir), "serve")
	p.AwaitReady(t)
	p.Kill()
	awaitNoneIn(t, dir)
}

func TestDataDirInUseIsRefused(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	first := rig.Start(t, localSettings(dir), "serve")
	first.AwaitReady(t)
	second := rig.Command(t, localSettings(dir), "serve")
	if second.Code != 1 || strings.Count(second.Stderr, "\n") != 1 ||
		!strings.Contains(second.Stderr, dir) || !strings.Contains(second.Stderr, "another process") {
		t.Errorf("exit code %d, stderr %q; want 1 and one line that says what is in the way", second.Code, second.Stderr)
	}
	if first.HasEnded() {
		t.Error("the first one ended")
	}
	first.Stop(t)
}

func TestDataDirUnusableNamesSetting(t *testing.T) {
	t.Parallel()
	needsPostgres(t)
	got := rig.Command(t, localSettings("/dev/null/postrider"), "serve")
	if got.Code == 0 || !strings.Contains(got.Stderr, "POSTRIDER_DATA_DIR") || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q; want one line that names POSTRIDER_DATA_DIR", got.Code, got.Stderr)
	}
}

func TestMigrateWorksOnLocalPostgres(t *testing.T) {
	t.Parallel()
	dir := newDataDir(t)
	if got := rig.Command(t, localSettings(dir), "migrate", "up"); got.Code != 0 || !strings.Contains(got.Stdout, "[x]") {
		t.Errorf("exit code %d, stdout %q, stderr %q", got.Code, got.Stdout, got.Stderr)
	}
	awaitNoneIn(t, dir)
}
