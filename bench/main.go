// Bench measures the cost of storing: it compares the delivered messages per second of `postrider serve` on a local
// Postgres with those of a bare relay that stores nothing, in one run on one machine. The figures themselves say little
// about another machine; their ratio does, and it must not fall below a floor.
//
// The load generator, the receiver and the service under test are separate processes: the program starts itself again
// as `bench load`, `bench receive`, `bench relay`, `bench serve` and so on, which end when their standard input does. It
// is a client like any other and uses only the service's API and command line.
//
//	go run ./bench                     # the verdict: exit code 1 below the floor
//	go run ./bench -against /tmp/old   # alternates with another binary, to judge a change
//	go run ./bench -only serve         # to profile
//	go run ./bench -traces 0.01        # with metrics and traces of every hundredth message exported
//	go run ./bench -scenario isolation # the cost of dead endpoints to the others
//	go run ./bench -scenario kafka     # messages through Kafka compared with REST
//	go run ./bench -scenario snapshot  # the cost to deliveries of a snapshot held elsewhere
//	go run ./bench -scenario retries   # the throughput of retries that are all due at once
//	go run ./bench -scenario neighbours # the cost of one customer's attacks to another
//	go run ./bench -scenario sizing    # processor time, memory and disk per message
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2) // the flag package has printed the error to stderr
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// roles are the subcommands with which the program starts itself.
var roles = map[string]func(ctx context.Context, args []string, stdout io.Writer) error{
	"load":    loadMain,
	"receive": receiveMain,
	"relay":   relayMain,
	"kafka":   kafkaMain,
	"produce": produceMain,
	"serve":   serveMain,
	"attack":  attackMain,
	"collect": collectMain,
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			return role(untilEOF(ctx, stdin), args[1:], stdout)
		}
	}
	c, err := parseConfig(args)
	if err != nil {
		return err
	}
	return measure(ctx, c, stdout)
}

// untilEOF returns a context that ends when the process at the other end of stdin ends, even if that was killed.
func untilEOF(ctx context.Context, stdin io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	return ctx
}
