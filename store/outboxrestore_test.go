package store

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// A dump may contain messages that wait in the outbox. They are sent where it is restored.
func TestOutboxIsRestoredFromADump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dump, err := pgDump(t.Context(), w.pool.Config().ConnString())
	if err != nil {
		t.Skip(err)
	}
	psql, err := exec.LookPath(filepath.Join(filepath.Dir(dump), "psql"))
	if err != nil {
		t.Skip(err)
	}
	w.leaveOdd("channels", "ARRAY['a', NULL]") // the dump must also work with rows from before the constraints
	w.leave("acme", `{"n": 1}`)
	w.leave("acme", `{"n": 2}`)
	restored := &world{Store: openStore(t, empty.New(t), nil), t: t}
	script := exec.CommandContext(t.Context(), dump, "--no-owner", w.pool.Config().ConnString())
	load := exec.CommandContext(t.Context(), psql, "-q", "-v", "ON_ERROR_STOP=1", restored.pool.Config().ConnString())
	if load.Stdin, err = script.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	if output, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := script.Wait(); err != nil {
		t.Fatal(err)
	}
	restored.leave("acme", `{"n": 3}`)
	restored.ingest().OutboxIngestMany(t.Context(), restored.inOutbox())
	if got := restored.payloadsStored(); !slices.Equal(got, []string{`{"n": 1}`, `{"n": 2}`, `{"n": 3}`}) {
		t.Errorf("stored %v", got)
	}
	if n := value[int](restored, "SELECT count(*) FROM outbox_dead_letter"); n != 1 || len(restored.inOutbox()) > 0 {
		t.Errorf("%d are put aside, and %d left", n, len(restored.inOutbox()))
	}
}
