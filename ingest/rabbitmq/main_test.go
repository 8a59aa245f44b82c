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

// patience is how long a test waits for anything: far longer than it takes on a slow and busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetDefault(log.NewNoopLogger()) // testcontainers tells of every step
	goleak.VerifyTestMain(tests{m},
		// testcontainers keeps connections to the engine, and gives nobody a way to close them.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// tests are all of them, and what is to be tidied up after them before anybody looks for leaks.
type tests struct{ *testing.M }

func (t tests) Run() int {
	stop := early(endServers)
	defer stop()
	defer endServers()
	return t.M.Run()
}

// early tidies up also when the tests are interrupted, and shortly before go test ends them for taking too
// long: a container would stay behind.
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
