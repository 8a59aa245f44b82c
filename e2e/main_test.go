package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go/log"

	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/e2e/rig"
)

// product is what TestMain builds, which go test cannot see. As all of it is linked into this binary too,
// go test runs these tests again, instead of repeating an old result, once it has changed. To import it is
// not enough: the linker leaves out what nothing refers to.
var product = app.Main

func TestMain(m *testing.M) {
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
		rig.StopBackend()
		_ = os.RemoveAll(dir)
	}
	defer tidyUp()
	early(tidyUp)
	if backend := os.Getenv("E2E_BACKEND"); backend != "" && backend != "docker" {
		fmt.Fprintf(os.Stderr, "e2e: E2E_BACKEND is %q; it can be docker, or unset\n", backend)
		return 1
	}
	if rig.Deployment() == "" {
		rig.Binary = filepath.Join(dir, "postrider")
		// Without the version that Git knows: asking for it fails where the source is another user's.
		output, err := exec.Command("go", "build", "-buildvcs=false", "-o", rig.Binary, "..").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "e2e: build the binary: %v\n%s", err, output)
			return 1
		}
	}
	log.SetDefault(log.NewNoopLogger()) // testcontainers tells of every step
	waitMuch()
	return m.Run()
}

// waitMuch lets more tests run at a time than there are processors, unless somebody said how many:
// most of them wait, for leases to run out and for retries to become due.
func waitMuch() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "6")
	}
}

// early tidies up also when these tests are interrupted, and shortly before go test ends them for
// taking too long: a container would stay behind.
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
