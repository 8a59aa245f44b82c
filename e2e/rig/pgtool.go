package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// PGTool finds a Postgres program that is not older than the database's server. It skips the test if there is none.
func PGTool(t testing.TB, database, name string) string {
	t.Helper()
	var server int
	Query(t, database, "SELECT current_setting('server_version_num')::int / 10000", &server)
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	for _, program := range append([]string{filepath.Join(os.Getenv("PG_BINDIR"), name), name}, installed...) {
		version, _ := exec.CommandContext(t.Context(), program, "--version").Output() // empty if the program does not exist
		var major int
		if _, text, found := strings.Cut(string(version), "(PostgreSQL) "); found {
			_, _ = fmt.Sscanf(text, "%d", &major)
		}
		if major >= server {
			return program
		}
	}
	t.Skipf("there is no %s of Postgres %d or newer", name, server)
	return ""
}

// account returns the ids of the account that owns the server's data.
func (l *LocalPostgres) account(t testing.TB) (uid, gid uint32) {
	t.Helper()
	owner := Must(os.Stat(filepath.Join(l.Dir, "data")))(t).Sys().(*syscall.Stat_t)
	return owner.Uid, owner.Gid
}

// newDir creates a directory that the server may write to, and removes it when the test ends.
func (l *LocalPostgres) newDir(t testing.TB) string {
	t.Helper()
	dir := Must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	t.Cleanup(func() { NoError(t, os.RemoveAll(dir)) })
	uid, gid := l.account(t)
	NoError(t, os.Chown(dir, int(uid), int(gid)))
	return dir
}

// baseBackup copies the data of a running server, reached at an address, with pg_basebackup. The result is a server
// that has not been started.
func (l *LocalPostgres) baseBackup(t testing.TB, address string, options ...string) *LocalPostgres {
	t.Helper()
	program := PGTool(t, l.Address, "pg_basebackup")
	backup := newLocalPostgres(t)
	uid, gid := l.account(t)
	NoError(t, os.Mkdir(backup.Dir, 0o755))
	NoError(t, os.Chown(backup.Dir, int(uid), int(gid)))
	options = append(options, "--checkpoint=fast", "--no-sync", "--pgdata="+filepath.Join(backup.Dir, "data"),
		"--dbname="+URLAt(l.Address, address))
	copying := exec.CommandContext(t.Context(), program, options...)
	copying.Env, copying.Dir = CleanEnvironment(), "/"
	if os.Geteuid() == 0 {
		copying.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	if output, err := copying.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, output)
	}
	return backup
}

// setBeforeStart adds settings to a server that has not been started.
func (l *LocalPostgres) setBeforeStart(t testing.TB, settings ...string) {
	t.Helper()
	path := filepath.Join(l.Dir, "data", "postgresql.auto.conf")
	file := Must(os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0))(t)
	Must(file.WriteString(strings.Join(settings, "\n") + "\n"))(t)
	NoError(t, file.Close())
}
