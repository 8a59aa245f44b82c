package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Archive restarts the server so that it archives its write-ahead log, and returns the archive's directory.
func (l *LocalPostgres) Archive(t testing.TB) (dir string) {
	t.Helper()
	dir = l.newDir(t)
	l.Configure(t, "archive_mode = on", fmt.Sprintf("archive_command = 'cp %%p %s/%%f'", dir))
	NoError(t, l.Stop(t.Context(), Fast))
	NoError(t, l.Start(t.Context()))
	return dir
}

// AwaitArchived waits until everything written so far is in the archive.
func (l *LocalPostgres) AwaitArchived(t testing.TB) {
	t.Helper()
	var segment string
	Query(t, l.Address, "SELECT pg_walfile_name(pg_switch_wal())", &segment)
	Await(t, func() string {
		var there bool
		Query(t, l.Address, "SELECT coalesce(left(last_archived_wal, 24) >= '"+segment+"', false) FROM pg_stat_archiver", &there)
		if !there {
			return segment + " is not archived"
		}
		return ""
	})
}

// BaseBackup copies the data of the running server. The result is a server that has not been started.
func (l *LocalPostgres) BaseBackup(t testing.TB) *LocalPostgres {
	t.Helper()
	return l.baseBackup(t, Bridge(t, l))
}

// RestoreTo starts a base backup and replays an archive up to a restore point.
func (l *LocalPostgres) RestoreTo(t testing.TB, archive, point string) {
	t.Helper()
	l.setBeforeStart(t, "archive_mode = off", fmt.Sprintf("restore_command = 'cp %s/%%f %%p'", archive),
		fmt.Sprintf("recovery_target_name = '%s'", point), "recovery_target_action = promote")
	NoError(t, os.WriteFile(filepath.Join(l.Dir, "data", "recovery.signal"), nil, 0o644))
	l.start(t)
	l.AwaitWritable(t)
}
