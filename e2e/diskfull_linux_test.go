package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// smallDisk returns a directory of 96 MiB that the server may write to. It skips the test if it cannot mount one.
func smallDisk(t testing.TB, of *rig.LocalPostgres) string {
	t.Helper()
	dir := rig.Must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	t.Cleanup(func() { rig.NoError(t, os.RemoveAll(dir)) })
	rig.NoError(t, os.Chmod(dir, 0o755))
	disk := filepath.Join(dir, "disk")
	rig.NoError(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("this test mounts a small disk, and may not: %v", err)
	}
	t.Cleanup(func() { rig.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	owner := rig.Must(os.Stat(filepath.Join(of.Dir, "data")))(t).Sys().(*syscall.Stat_t)
	place := filepath.Join(disk, "space")
	rig.NoError(t, os.Mkdir(place, 0o700))
	rig.NoError(t, os.Chown(disk, int(owner.Uid), int(owner.Gid)))
	rig.NoError(t, os.Chown(place, int(owner.Uid), int(owner.Gid)))
	return disk
}

// fillDisk fills a disk completely, and returns a function that frees the space.
func fillDisk(t testing.TB, disk string) (free func()) {
	t.Helper()
	path := filepath.Join(disk, "filler")
	file := rig.Must(os.Create(path))(t)
	for size := 1 << 20; size >= 1; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	rig.NoError(t, file.Close())
	return func() { rig.NoError(t, os.Remove(path)) }
}

// largePayload returns JSON that cannot be compressed.
func largePayload(name string) string {
	noise := make([]byte, 60_000)
	rand.Read(noise)
	return `{"` + name + `":"` + base64.StdEncoding.EncodeToString(noise) + `"}`
}

// smallDatabase returns a database on a small disk. The write-ahead log is elsewhere: Postgres exits if it has no
// space for that.
func smallDatabase(t testing.TB, server *rig.LocalPostgres) (url, disk string) {
	t.Helper()
	disk = smallDisk(t, server)
	rig.Execute(t, server.Address, fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", filepath.Join(disk, "space")))
	rig.Execute(t, server.Address, "CREATE DATABASE small TABLESPACE small")
	t.Cleanup(func() { // the directory is removed before the server
		rig.NoError(t, rig.AdministerDatabase(server.Address, "DROP DATABASE small WITH (FORCE)"))
		rig.NoError(t, rig.AdministerDatabase(server.Address, "DROP TABLESPACE small"))
	})
	u := rig.MustParseURL(server.Address)
	u.Path = "/small"
	return u.String(), disk
}

// TestDiskFullIsUnavailableAndHeals fills the database's disk while the API and a source are running.
func TestDiskFullIsUnavailableAndHeals(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	server, ok := rig.NewBreakable(t).(*rig.LocalPostgres)
	if !ok {
		t.Skip("this test needs a Postgres server on this machine")
	}
	database, disk := smallDatabase(t, server)

	p := rig.Start(t, rig.Settings(database, rig.OpsSetting), "api")
	s := p.Service(t)
	c, url := rig.NewClient(t, s.URL, s.NewToken(t)), p.OpsURL(t) // of the outbox's default organisation
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	r.NewEndpoint(t, c, app)
	worker := rig.Start(t, rig.Settings(database), "worker")
	worker.AwaitReady(t)
	ids := []string{c.SendMessage(t, app)}
	for range 5 {
		rig.Execute(t, database, fmt.Sprintf("SELECT message_send('%s', 'of.the.outbox', '%s')", app, largePayload("outbox")))
	}
	rig.AwaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	free := fillDisk(t, disk)

	rig.Await(t, func() string {
		answer := rig.Must(c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":`+largePayload("noise")+`}`))(t)
		switch answer.Status {
		case http.StatusAccepted:
			var out struct{ ID string }
			answer.Decode(t, &out)
			ids = append(ids, out.ID)
			return "messages still fit"
		case http.StatusServiceUnavailable:
			if answer.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return ""
		}
		t.Fatalf("answered %d: %s", answer.Status, answer.Body)
		return ""
	})
	rig.AwaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "53100")
	consumer := rig.Start(t, rig.Settings(database), "consume") // reads the outbox, which is on the full disk
	rig.Await(t, func() string {
		if !strings.Contains(consumer.Stdout.String(), "53100") {
			return "the source meets no full disk"
		}
		return ""
	})

	free()
	rig.AwaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	r.Await(t, append(ids, c.SendMessage(t, app))...)
	rig.Await(t, func() string {
		if found := r.OfOutbox(); found != 5 {
			return fmt.Sprintf("%d of 5 messages of the outbox are delivered", found)
		}
		return ""
	})
	if consumer.HasEnded() || worker.HasEnded() || p.HasEnded() {
		t.Error("a process ended")
	}
}
