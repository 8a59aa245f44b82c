package localpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeBinaries creates a directory with a postgres that reports that version.
func fakeBinaries(t *testing.T, dir, version string) string {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	for _, program := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", program, version)
		must(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	}
	return dir
}

// ownAccount returns the account that these tests run programs as.
func ownAccount(t *testing.T) account {
	t.Helper()
	a, err := serverAccount("")
	must(t, err)
	return a
}

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	incomplete := fakeBinaries(t, filepath.Join(dir, "incomplete"), "17.2")
	must(t, os.Remove(filepath.Join(incomplete, "initdb")))
	for _, test := range []struct {
		name, dir, major, err string
	}{
		{"release", fakeBinaries(t, filepath.Join(dir, "a"), "17.2 (Debian 17.2-1)"), "17", ""},
		{"beta", fakeBinaries(t, filepath.Join(dir, "b"), "19beta1"), "19", ""},
		{"18.0", fakeBinaries(t, filepath.Join(dir, "f"), "18.0 (Debian 18.0-1)"), "", "Postgres 18.0"},
		{"beta of 18.0", fakeBinaries(t, filepath.Join(dir, "g"), "18beta1"), "", "Postgres 18.0"},
		{"18.1", fakeBinaries(t, filepath.Join(dir, "h"), "18.1"), "18", ""},
		{"18.10", fakeBinaries(t, filepath.Join(dir, "i"), "18.10"), "18", ""},
		{"too old", fakeBinaries(t, filepath.Join(dir, "c"), "14.9"), "", "is too old; install 15 or newer"},
		{"ancient", fakeBinaries(t, filepath.Join(dir, "d"), "9.6.24"), "", "is too old; install 15 or newer"},
		{"not Postgres", fakeBinaries(t, filepath.Join(dir, "e"), "none"), "", "printed no version"},
		{"incomplete", incomplete, "", "initdb"},
		{"missing", filepath.Join(dir, "missing"), "", "initdb"},
	} {
		found, err := inspect(t.Context(), ownAccount(t), test.dir)
		if found.major != test.major || (err == nil) != (test.err == "") {
			t.Errorf("%s: %+v, %v", test.name, found, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: the error does not say %q: %v", test.name, test.err, err)
		}
	}
}

func TestExistingClusterChoosesItsVersion(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	dirs := []string{
		fakeBinaries(t, filepath.Join(dir, "17"), "17.2"),
		fakeBinaries(t, filepath.Join(dir, "15"), "15.9"),
	}
	for wanted, want := range map[string]string{"": "17", "15": "15", "16": "17"} {
		found, err := firstOf(t.Context(), ownAccount(t), wanted, dirs)
		must(t, err)
		if found.major != want {
			t.Errorf("for %q it chose %s, not %s", wanted, found.major, want)
		}
	}
	if _, err := firstOf(t.Context(), ownAccount(t), "", dirs[:0]); !errors.Is(err, errNoBinaries) {
		t.Errorf("with nothing to choose from: %v", err)
	}
}

func TestNewestFirstComparesNumbers(t *testing.T) {
	t.Parallel()
	got := newestFirst([]string{"/v/latest/bin", "/v/9.6/bin", "/v/15/bin", "/v/postgresql@16/bin"})
	want := []string{"/v/postgresql@16/bin", "/v/15/bin", "/v/9.6/bin", "/v/latest/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// Not parallel: it sets PATH. The directory with the link of one program does not contain the other.
func TestLinksOnPathAreFollowed(t *testing.T) {
	dir := newDir(t)
	real, err := filepath.EvalSymlinks(fakeBinaries(t, filepath.Join(dir, "real"), "17.2"))
	must(t, err)
	links := filepath.Join(dir, "links")
	must(t, os.Mkdir(links, 0o755))
	must(t, os.Symlink(filepath.Join(real, "postgres"), filepath.Join(links, "postgres")))
	t.Setenv("PATH", links)
	if got := onPath(); !slices.Equal(got, []string{real}) {
		t.Errorf("found %v, want %s", got, real)
	}
}

func TestPostgresThatCrashesIsPassedOver(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	crashing := fakeBinaries(t, filepath.Join(dir, "18"), "18.0")
	other := fakeBinaries(t, filepath.Join(dir, "15"), "15.9")
	for _, major := range []string{"", "18"} {
		if found, err := firstOf(t.Context(), ownAccount(t), major, []string{crashing, other}); err != nil || found.major != "15" {
			t.Errorf("for %q it chose %+v, %v", major, found, err)
		}
	}
	_, err := firstOf(t.Context(), ownAccount(t), "", []string{crashing})
	if !errors.Is(err, errNoBinaries) || !strings.Contains(err.Error(), crashing+": Postgres 18.0 crashes") {
		t.Errorf("without another: %v", err)
	}
}

// Not parallel: it sets PG_BINDIR.
func TestUnusablePGBindirIsAnErrorNotAFallback(t *testing.T) {
	dir := newDir(t)
	t.Setenv("PG_BINDIR", filepath.Join(dir, "no-such-place"))
	if err := Available(); err == nil || !strings.Contains(err.Error(), "PG_BINDIR="+dir) {
		t.Errorf("Available answered: %v", err)
	}
	if _, err := Start(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "PG_BINDIR="+dir) {
		t.Errorf("Start answered: %v", err)
	}
}

func TestClusterOfAnotherMajorVersion(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	must(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("11\n"), 0o600))
	found, err := find(t.Context(), ownAccount(t), "")
	must(t, err)

	_, err = Start(t.Context(), Config{Dir: dir})
	for _, want := range []string{"made by Postgres 11", "is Postgres " + found.major, "install Postgres 11"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}
