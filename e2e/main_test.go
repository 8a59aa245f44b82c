package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go/log"

	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/e2e/rig"
	"github.com/postrider/postrider/localpg/pgtest"
)

// product makes go test rerun these tests after a change. TestMain builds the product, which go test does not know;
// because the product is also linked into this binary, go test does not use a cached result. An import alone is not
// enough: the linker drops unreferenced code.
var product = app.Main

func TestMain(m *testing.M) {
	pgtest.Parallel(6)
	flag.Parse()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	if product == nil {
		return 1
	}
	dir, err := os.MkdirTemp("", "postrider-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	tidyUp := func() {
		rig.KillAll()
		rig.StopPoolers()
		rig.StopBackend()
		_ = os.RemoveAll(dir)
	}
	defer tidyUp()
	early(tidyUp)
	if backend := os.Getenv("E2E_BACKEND"); !slices.Contains([]string{"", "docker", "local"}, backend) {
		fmt.Fprintf(os.Stderr, "e2e: E2E_BACKEND is %q; it can be docker, local, or unset\n", backend)
		return 1
	}
	if err := throughPooler(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: E2E_POOLER: %v\n", err)
		return 1
	}
	if rig.Deployment() == "" {
		rig.Binary = filepath.Join(dir, "postrider")
		// Without version control information: the build fails to read it if the source belongs to another user.
		output, err := exec.Command("go", "build", "-buildvcs=false", "-o", rig.Binary, "..").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "e2e: build the binary: %v\n%s", err, output)
			return 1
		}
	}
	log.SetDefault(log.NewNoopLogger()) // testcontainers logs every step
	return m.Run()
}

// early also cleans up when the tests are interrupted, and shortly before go test's timeout ends them. Otherwise a
// container would stay behind.
func early(tidyUp func()) {
	interrupted, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(interrupted, func() {
		tidyUp()
		os.Exit(1)
	})
	const tidying = 15 * time.Second
	limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	if ok && limit > tidying {
		time.AfterFunc(limit-tidying, func() {
			fmt.Fprintln(os.Stderr, "e2e: the time is nearly up: ending all that was started")
			tidyUp()
		})
	}
}
