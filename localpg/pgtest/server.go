package pgtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/localpg"
)

var running atomic.Pointer[localpg.Server]

// server starts the one server of the process on first use.
var server = sync.OnceValues(func() (*localpg.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := localpg.Start(ctx, localpg.Config{Ephemeral: true, InMemory: true})
	running.Store(s)
	return s, err
})

// M runs the tests and then stops the server, if any test started it. Use it with goleak, which looks for goroutines
// after Run; without goleak, use Main. A test process that does neither leaves no server behind on Linux, only a
// directory that a later one removes.
type M struct{ *testing.M }

// Run returns the exit code.
func (m M) Run() int {
	Parallel(2 * runtime.GOMAXPROCS(0))
	code := m.M.Run()
	s := running.Load()
	if s == nil {
		return code
	}
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Parallel runs n tests in parallel, unless the command line says otherwise. It must be called before flags are parsed. It is
// for tests that mostly wait: for Postgres, timeouts or other processes.
func Parallel(n int) { _ = flag.Set("test.parallel", strconv.Itoa(n)) }

// Main is a TestMain.
func Main(m *testing.M) { os.Exit(M{m}.Run()) } //nolint:revive // it is a TestMain
