package localpg

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// repositoryWith serves one jar for every version and platform, like Maven Central.
func repositoryWith(t *testing.T, jar []byte, checksum string) (url string, downloads *atomic.Int32) {
	t.Helper()
	downloads = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			fmt.Fprint(w, checksum)
			return
		}
		downloads.Add(1)
		_, _ = w.Write(jar)
	}))
	t.Cleanup(server.Close)
	return server.URL, downloads
}

// archiveOf returns a directory as a tar.xz.
func archiveOf(t *testing.T, dir string) []byte {
	t.Helper()
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	must(t, writer.AddFS(os.DirFS(dir)))
	must(t, writer.Close())
	xz := exec.Command("xz", "--stdout")
	xz.Stdin = &archive
	compressed, err := xz.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("making the archive takes the xz command")
	}
	must(t, err)
	return compressed
}

// jarOf wraps an archive in a zip, like the published binaries.
func jarOf(t *testing.T, archive []byte) []byte {
	t.Helper()
	var jar bytes.Buffer
	zipped := zip.NewWriter(&jar)
	entry, err := zipped.Create("postgres-linux-x86_64.txz")
	must(t, err)
	_, err = entry.Write(archive)
	must(t, err)
	must(t, zipped.Close())
	return jar.Bytes()
}

func TestDownload(t *testing.T) {
	t.Parallel()
	source := newDir(t)
	fakeBinaries(t, filepath.Join(source, "bin"), "18.3")
	jar := jarOf(t, archiveOf(t, source))
	url, downloads := repositoryWith(t, jar, fmt.Sprintf("%x", sha256.Sum256(jar)))
	d := download{url, filepath.Join(newDir(t), "cache"), versionFor("")}
	for range 2 {
		bin, err := d.run(t.Context())
		must(t, err)
		found, err := inspect(t.Context(), ownAccount(t), bin)
		must(t, err)
		if found.major != "18" {
			t.Errorf("downloaded %+v", found)
		}
	}
	if got := downloads.Load(); got != 1 {
		t.Errorf("downloaded %d times", got)
	}
	if left, _ := filepath.Glob(filepath.Join(d.to, "unfinished-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnusableDownload(t *testing.T) {
	t.Parallel()
	source := newDir(t)
	fakeBinaries(t, filepath.Join(source, "bin"), "18.3")
	// Too large and too random for xz to keep all of it in its last bytes, and unpacked after bin.
	noise := make([]byte, 1<<20)
	_, _ = rand.Read(noise)
	must(t, os.WriteFile(filepath.Join(source, "lib"), noise, 0o644))
	archive := archiveOf(t, source)
	jar, half := jarOf(t, archive), jarOf(t, archive[:len(archive)/2])
	sum := func(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
	for name, test := range map[string]struct {
		jar      []byte
		checksum string
	}{
		"wrong checksum": {jar, sum(nil)},
		"not a jar":      {[]byte("<html>"), sum([]byte("<html>"))},
		"cut short":      {jar[:len(jar)/2], sum(jar[:len(jar)/2])},
		"half unpacked":  {half, sum(half)},
	} {
		url, _ := repositoryWith(t, test.jar, test.checksum)
		d := download{url, newDir(t), versionFor("")}
		if _, err := d.run(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, _ := filepath.Glob(filepath.Join(d.to, "*")); len(left) != 1 { // the lock
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestCancelledDownload(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		<-release
		http.NotFound(w, nil)
	}))
	t.Cleanup(server.Close)
	d := download{server.URL, newDir(t), versionFor("")}
	_, err := d.run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled download answered: %v", err)
	}
	close(release)
	eventually(t, "the abandoned download has tidied up", func() bool {
		left, _ := filepath.Glob(filepath.Join(d.to, "unfinished-*"))
		return len(left) == 0
	})
}

// Nothing listens on port 1, as on a machine without internet access.
func TestFailedDownloadSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := download{"http://127.0.0.1:1", newDir(t), versionFor("16")}
	_, err := d.run(t.Context())
	message := d.explain(errNoBinaries, err).Error()
	for _, want := range []string{"no Postgres 15 or newer found", "16.", "install Postgres", "PG_BINDIR", "DATABASE_URL"} {
		if !strings.Contains(message, want) || strings.Contains(message, "\n") {
			t.Errorf("the error does not say %q in one line: %s", want, message)
		}
	}
}
