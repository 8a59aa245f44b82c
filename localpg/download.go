package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/gofrs/flock"
)

const repository = "https://repo1.maven.org/maven2"

// download fetches the binaries of one version into a directory.
type download struct {
	from    string
	to      string
	version embeddedpostgres.PostgresVersion
}

func findOrDownload(ctx context.Context, a account, major string) (binaries, error) {
	found, none := find(ctx, a, major)
	if !errors.Is(none, errNoBinaries) {
		return found, none
	}
	d := download{repository, downloadDir(), versionFor(major)}
	bin, err := d.run(ctx)
	if err != nil {
		return binaries{}, d.explain(none, err)
	}
	return inspect(ctx, a, bin)
}

// explain returns an error saying that there is no Postgres here, and why none was downloaded.
func (d download) explain(none, err error) error {
	return fmt.Errorf("%w, and downloading %s from %s did not work (%w); install Postgres "+
		"(apt install postgresql, brew install postgresql@17), set PG_BINDIR to the bin directory of one, "+
		"or set DATABASE_URL to a server", none, d.version, d.from, err)
}

// versionFor returns the newest version, unless a cluster needs another.
func versionFor(major string) embeddedpostgres.PostgresVersion {
	switch major {
	case "15":
		return embeddedpostgres.V15
	case "16":
		return embeddedpostgres.V16
	case "17":
		return embeddedpostgres.V17
	}
	return embeddedpostgres.V18
}

// downloadDir returns the user's cache directory, except for root, whose home the server's account may not enter.
func downloadDir() string {
	cache, err := os.UserCacheDir()
	if os.Geteuid() == 0 || err != nil {
		cache = "/var/cache"
	}
	return filepath.Join(cache, "postrider")
}

// run returns the bin directory. The library cannot be interrupted, and panics if its files disappear, so if the
// context is cancelled, the library is left to finish by itself.
func (d download) run(ctx context.Context) (string, error) {
	home := filepath.Join(d.to, fmt.Sprintf("postgres-%s-%s", d.version, runtime.GOARCH))
	if err := os.MkdirAll(d.to, 0o755); err != nil {
		return "", err
	}
	// Test processes start concurrently: the first one downloads, the others wait for it.
	lock := flock.New(filepath.Join(d.to, "lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	finished := make(chan error, 1)
	go func() {
		defer lock.Unlock()
		finished <- d.install(home)
	}()
	select {
	case err := <-finished:
		return filepath.Join(home, "bin"), err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// install gives the binaries their name only when they are complete.
func (d download) install(home string) error {
	if _, err := os.Stat(home); err == nil {
		return nil // another process was faster
	}
	work, err := os.MkdirTemp(d.to, "unfinished-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := d.fetch(work); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, "postgres"), home)
}

// fetch downloads and unpacks into work/postgres. The library offers that only as a part of its Start, which goes on
// to run initdb and the server in ways that fail as root. Start first downloads and unpacks, next creates
// RuntimePath, and then clears DataPath. So a DataPath that cannot be cleared, because it is below a regular file,
// makes Start fail there, and an existing RuntimePath shows that everything before succeeded.
func (d download) fetch(work string) error {
	file, unpacked := filepath.Join(work, "file"), filepath.Join(work, "unpacked")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	err := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(d.version).
		BinaryRepositoryURL(d.from).
		CachePath(work).
		BinariesPath(filepath.Join(work, "postgres")).
		RuntimePath(unpacked).
		DataPath(filepath.Join(file, "data")).
		Port(0). // any port: the library checks for a free one
		Logger(io.Discard)).Start()
	if _, missing := os.Stat(unpacked); missing != nil {
		return err
	}
	return nil
}
