package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ensureCluster finds binaries that fit the cluster, and creates the cluster if there is none.
func (s *Server) ensureCluster(ctx context.Context) error {
	made, err := clusterVersion(s.data())
	if err != nil {
		return err
	}
	if s.bin, err = findOrDownload(ctx, s.account, made); err != nil {
		return err
	}
	switch made {
	case s.bin.major:
		return nil
	case "":
		return s.makeCluster(ctx)
	}
	return fmt.Errorf("the cluster was made by Postgres %s, but %s is Postgres %s; "+
		"install Postgres %s or set PG_BINDIR to its bin directory, or move %s away to begin with an empty database",
		made, s.bin.dir, s.bin.major, installable(made), s.data())
}

// installable returns the release to install for a cluster of this major version: for 18, not the release that
// crashes.
func installable(major string) string {
	if major == "18" {
		return "18.1 or newer"
	}
	return major
}

// clusterVersion returns the major version that created the cluster, or "" if there is none.
func clusterVersion(data string) (string, error) {
	content, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(content)), err
}

// makeCluster gives the cluster its name only when it is complete, so that a kill never leaves half a cluster. Each
// try has a directory of its own, because an initdb whose parent was killed may still be writing to the last one.
func (s *Server) makeCluster(ctx context.Context) error {
	if err := s.removeUnfinished(); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(s.dir, "data.tmp-*")
	if err != nil {
		return fmt.Errorf("making a directory for initdb: %w", err)
	}
	if err := s.account.own(unfinished); err != nil {
		return fmt.Errorf("giving %s to %s: %w", unfinished, s.account.name, err)
	}
	if err := s.initdb(ctx, unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, s.data()); err != nil {
		return fmt.Errorf("naming the new cluster: %w", err)
	}
	return nil
}

func (s *Server) removeUnfinished() error {
	found, _ := filepath.Glob(filepath.Join(s.dir, "data.tmp-*"))
	for _, dir := range found {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing an unfinished cluster: %w", err)
		}
	}
	return nil
}

// initdb falls back to the locale C, because older macOS does not know C.UTF-8. C differs from C.UTF-8 in the case
// mapping of letters beyond ASCII.
func (s *Server) initdb(ctx context.Context, dir string) error {
	err := s.initdbWithLocale(ctx, dir, "C.UTF-8")
	if err != nil && ctx.Err() == nil {
		err = s.initdbWithLocale(ctx, dir, "C")
	}
	return err
}

func (s *Server) initdbWithLocale(ctx context.Context, dir, locale string) error {
	args := []string{
		"-D", dir, "-U", superuser, "-E", "UTF8", "--locale=" + locale, "--no-instructions",
		// TCP is off, but a user who starts this cluster by hand may not notice that it is on again.
		"--auth-local=trust", "--auth-host=reject",
	}
	if s.config.Ephemeral {
		args = append(args, "--no-sync")
	}
	// The parent death signal is sent when the parent's thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := command(ctx, s.account, s.bin.path("initdb"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", s.bin.path("initdb"), err, lastLines(output))
	}
	return nil
}
