// Bench measures what storing costs: delivered messages per second of `postrider serve` on a local
// Postgres, beside those of a bare relay that stores nothing, in one run on one machine. The figures
// themselves say little about another machine; their ratio does, and it must not fall below a floor.
//
// Load generator, receiver and the service under test are processes of their own: the program starts
// itself again as `bench load`, `bench receive`, `bench relay`, `bench serve` and so on, which end when their
// standard input does. It is a client like any other and knows nothing of the service but its API and
// its command line.
//
//	go run ./bench                     # the verdict: exit code 1 below the floor
//	go run ./bench -against /tmp/old   # and another binary in turn, to judge a change
//	go run ./bench -only serve         # to profile
//	go run ./bench -scenario isolation # what dead endpoints cost the others
//	go run ./bench -scenario kafka     # what comes through Kafka, beside what comes by REST
//	go run ./bench -scenario snapshot  # what a snapshot held elsewhere costs deliveries
//	go run ./bench -scenario retries   # how fast retries go out that are all due at once
//	go run ./bench -scenario neighbours # what one customer's attacks cost another
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
		os.Exit(2) // the flags are on stderr already
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// roles are what the program starts itself as.
var roles = map[string]func(ctx context.Context, args []string, stdout io.Writer) error{
	"load":    loadMain,
	"receive": receiveMain,
	"relay":   relayMain,
	"kafka":   kafkaMain,
	"produce": produceMain,
	"serve":   serveMain,
	"attack":  attackMain,
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

// untilEOF ends with the process that holds the other end of stdin, even if that was killed.
func untilEOF(ctx context.Context, stdin io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	return ctx
}
