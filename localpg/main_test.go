package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// helperDir, when set, turns the test binary into a process that starts a server in that directory and waits to be
// killed.
const helperDir = "LOCALPG_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		serveUntilKilled(dir)
	}
	tidyUp := isolateTemporaryFiles()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		tidyUp()
		os.Exit(code)
	}))
}

// isolateTemporaryFiles gives these tests a temporary directory of their own, because the download
// leaves an empty file there each time, and other packages' tests remove what looks abandoned.
func isolateTemporaryFiles() (tidyUp func()) {
	dir, err := os.MkdirTemp("", "localpg-*")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Setenv("TMPDIR", dir))
	}
	if err != nil {
		panic(err)
	}
	return func() { _ = os.RemoveAll(dir) }
}

func serveUntilKilled(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir, Ephemeral: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.process.Pid)
	select {}
}

// newDir returns a directory that root's server can enter, unlike t.TempDir.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "localpg-test-*")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// start starts a server that is stopped with the test, unless the test has stopped it.
func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), c)
	must(t, err)
	t.Cleanup(func() { must(t, s.Stop()) })
	return s
}

func query(t *testing.T, s *Server, sql string) (answer string) {
	t.Helper()
	answer, err := tryQuery(t, s, sql)
	must(t, err)
	return answer
}

func tryQuery(t *testing.T, s *Server, sql string) (answer string, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	must(t, err)
	defer conn.Close(context.Background())
	err = conn.QueryRow(t.Context(), sql).Scan(&answer)
	return answer, err
}

// eventually fails the test if the condition does not become true within the time a loaded machine needs.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if poll(ctx, condition) != nil {
		t.Fatal("did not come true: " + what)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
