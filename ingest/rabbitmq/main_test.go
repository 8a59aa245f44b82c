package rabbitmq

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go/log"
	"go.uber.org/goleak"
)

// patience is how long a test waits for anything. It is far longer than anything takes on a slow and busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetDefault(log.NewNoopLogger()) // testcontainers logs every step
	goleak.VerifyTestMain(tests{m},
		// testcontainers keeps connections to the engine, and offers no way to close them.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// tests are all tests, with the cleanup to run after them and before the check for leaks.
type tests struct{ *testing.M }

func (t tests) Run() int {
	stop := early(func() { endServers() })
	defer stop()
	defer endServers()
	return t.M.Run()
}

// early also cleans up when the tests are interrupted, and shortly before go test ends them on its timeout: otherwise
// a container would be left running.
func early(tidyUp func()) (stop func()) {
	interrupted, heard := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	forget := context.AfterFunc(interrupted, func() {
		tidyUp()
		os.Exit(1)
	})
	const tidying = 15 * time.Second
	timer := time.NewTimer(24 * time.Hour)
	if limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); limit > tidying {
		timer.Stop()
		timer = time.AfterFunc(limit-tidying, func() {
			fmt.Fprintln(os.Stderr, "rabbitmq: the time is nearly up: ending all that was started")
			tidyUp()
		})
	}
	return func() { timer.Stop(); forget(); heard() }
}
