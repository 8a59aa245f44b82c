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
)

// smallDisk is a directory of 96 MiB that this server may write to. It skips where nothing can be mounted.
func smallDisk(t testing.TB, of *localPostgres) string {
	t.Helper()
	dir := must(os.MkdirTemp("", "postrider-e2e-*"))(t)
	t.Cleanup(func() { done(t, os.RemoveAll(dir)) })
	done(t, os.Chmod(dir, 0o755))
	disk := filepath.Join(dir, "disk")
	done(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=96m"); err != nil {
		t.Skipf("this test mounts a small disk, and may not: %v", err)
	}
	t.Cleanup(func() { done(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	owner := must(os.Stat(filepath.Join(of.dir, "data")))(t).Sys().(*syscall.Stat_t)
	place := filepath.Join(disk, "space")
	done(t, os.Mkdir(place, 0o700))
	done(t, os.Chown(disk, int(owner.Uid), int(owner.Gid)))
	done(t, os.Chown(place, int(owner.Uid), int(owner.Gid)))
	return disk
}

// fillDisk leaves no space on a disk, and returns what makes it free again.
func fillDisk(t testing.TB, disk string) (free func()) {
	t.Helper()
	path := filepath.Join(disk, "filler")
	file := must(os.Create(path))(t)
	for size := 1 << 20; size >= 1; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	done(t, file.Close())
	return func() { done(t, os.Remove(path)) }
}

// largePayload is JSON that does not become smaller by compression.
func largePayload(name string) string {
	noise := make([]byte, 60_000)
	rand.Read(noise)
	return `{"` + name + `":"` + base64.StdEncoding.EncodeToString(noise) + `"}`
}

// smallDatabase is a database on a small disk. What Postgres logs ahead is elsewhere: without space for that it ends.
func smallDatabase(t testing.TB, server *localPostgres) (url, disk string) {
	t.Helper()
	disk = smallDisk(t, server)
	execute(t, server.address, fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", filepath.Join(disk, "space")))
	execute(t, server.address, "CREATE DATABASE small TABLESPACE small")
	t.Cleanup(func() { // the directory goes before the server does
		done(t, administer(server.address, "DROP DATABASE small WITH (FORCE)"))
		done(t, administer(server.address, "DROP TABLESPACE small"))
	})
	u := mustParse(server.address)
	u.Path = "/small"
	return u.String(), disk
}

// TestFullDiskIsUnavailableAndHeals lets the disk of the database run full, under the API and a source.
func TestFullDiskIsUnavailableAndHeals(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	server, ok := newBreakable(t).(*localPostgres)
	if !ok {
		t.Skip("this test needs a Postgres server on this machine")
	}
	database, disk := smallDatabase(t, server)

	p := start(t, settings(database, opsSetting), "api")
	s := p.service(t)
	c, url := newClient(t, s.url, s.token(t)), p.ops(t) // of the outbox's default organisation
	app, r := c.application(t), newReceiver(t, nil)
	r.endpoint(t, c, app)
	worker := start(t, settings(database), "worker")
	worker.ready(t)
	ids := []string{c.message(t, app)}
	for range 5 {
		execute(t, database, fmt.Sprintf("SELECT message_send('%s', 'of.the.outbox', '%s')", app, largePayload("outbox")))
	}
	awaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	free := fillDisk(t, disk)

	await(t, func() string {
		answer := must(c.send(t.Context(), "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":`+largePayload("noise")+`}`))(t)
		switch answer.status {
		case http.StatusAccepted:
			var out struct{ ID string }
			answer.decode(t, &out)
			ids = append(ids, out.ID)
			return "messages still fit"
		case http.StatusServiceUnavailable:
			if answer.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return ""
		}
		t.Fatalf("answered %d: %s", answer.status, answer.body)
		return ""
	})
	awaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "53100")
	consumer := start(t, settings(database), "consume") // of the outbox, which waits there
	await(t, func() string {
		if !strings.Contains(consumer.stdout.String(), "53100") {
			return "the source meets no full disk"
		}
		return ""
	})

	free()
	awaitProbe(t, url+"/readyz", http.StatusOK, "ok")
	r.await(t, append(ids, c.message(t, app))...)
	await(t, func() string {
		if found := r.ofOutbox(); found != 5 {
			return fmt.Sprintf("%d of 5 messages of the outbox are delivered", found)
		}
		return ""
	})
	if consumer.hasEnded() || worker.hasEnded() || p.hasEnded() {
		t.Error("a process ended")
	}
}
