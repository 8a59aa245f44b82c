package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const oldestMajor = 15

var errNoBinaries = fmt.Errorf("no Postgres %d or newer found", oldestMajor)

// binaries is a directory with the programs of one Postgres.
type binaries struct {
	dir   string
	major string // as in the cluster's PG_VERSION: "15"
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// Available returns nil if this machine has a Postgres that Start can use without a download.
func Available() error {
	a, err := serverAccount("")
	if err != nil {
		return err
	}
	_, err = find(context.Background(), a, "")
	return err
}

// find returns the first Postgres in order of preference, or the first one of the given major version if there is
// any: a newer one installed beside it must not make an existing cluster unusable. PG_BINDIR is binding: if it is
// set, no other place is searched.
func find(ctx context.Context, a account, major string) (binaries, error) {
	if dir := os.Getenv("PG_BINDIR"); dir != "" {
		found, err := inspect(ctx, a, dir)
		if err != nil {
			return binaries{}, fmt.Errorf("using PG_BINDIR=%s: %w", dir, err)
		}
		return found, nil
	}
	return firstOf(ctx, a, major, searchPath())
}

func firstOf(ctx context.Context, a account, major string, dirs []string) (binaries, error) {
	var first binaries
	var crashing error
	for _, dir := range dirs {
		found, err := inspect(ctx, a, dir)
		if errors.Is(err, errCrashes) {
			crashing = err
		}
		if err != nil {
			continue
		}
		if major == "" || found.major == major {
			return found, nil
		}
		first = cmp.Or(first, found)
	}
	switch {
	case first.dir == "" && ctx.Err() != nil:
		return binaries{}, ctx.Err()
	case first.dir == "" && crashing != nil:
		return binaries{}, fmt.Errorf("%w: %w", errNoBinaries, crashing)
	case first.dir == "":
		return binaries{}, errNoBinaries
	}
	return first, nil
}

// searchPath lists the directories where a Postgres may be. Debian and its derivatives put only a wrapper of psql on
// PATH, and Homebrew keeps older versions off it.
func searchPath() []string {
	dirs := onPath()
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin", // the packages of postgresql.org for Red Hat
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		filepath.Join(downloadDir(), "postgres-*", "bin"),
	} {
		found, _ := filepath.Glob(pattern) // its only error is a bad pattern
		dirs = append(dirs, newestFirst(found)...)
	}
	return dirs
}

// onPath follows symbolic links, because a link to one program need not have the others beside it.
func onPath() []string {
	var dirs []string
	for _, program := range []string{"postgres", "initdb"} {
		if path, err := exec.LookPath(program); err == nil {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				dirs = append(dirs, filepath.Dir(real))
			}
		}
	}
	return slices.Compact(dirs)
}

var versionInPath = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

// newestFirst sorts by version as numbers: 15 is newer than 9.6.
func newestFirst(dirs []string) []string {
	version := func(dir string) float64 {
		digits := versionInPath.FindString(filepath.Base(filepath.Dir(dir)))
		number, _ := strconv.ParseFloat(digits, 64) // 0 for a name like "latest", which sorts last
		return number
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return dirs
}

var versionInOutput = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)([^ \n]*)`)

// errCrashes means that the release has a defect that lets clients crash it. Another one is used if installed.
var errCrashes = errors.New("Postgres 18.0 crashes on some queries; install 18.1 or newer")

// crashes reports whether a version is 18.0, or a beta or release candidate of it.
func crashes(major, minor string) bool {
	return major == "18" && (!strings.HasPrefix(minor, ".") || minor == ".0")
}

// inspect runs the server's binary as the account that will run it, which also checks that the account can execute
// it.
func inspect(ctx context.Context, a account, dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return binaries{}, err
		}
	}
	b := binaries{dir: dir}
	output, err := command(ctx, a, b.path("postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("asking %s for its version: %w", b.path("postgres"), err)
	}
	match := versionInOutput.FindSubmatch(output)
	if match == nil {
		return binaries{}, errors.New("postgres --version printed no version")
	}
	b.major = string(match[1])
	if major, err := strconv.Atoi(b.major); err != nil || major < oldestMajor {
		return binaries{}, fmt.Errorf("Postgres %s is too old; install %d or newer", b.major, oldestMajor)
	}
	if crashes(b.major, string(match[2])) {
		return binaries{}, fmt.Errorf("%s: %w", dir, errCrashes)
	}
	return b, nil
}
