// World fills a database with two months of history, as package world describes it: to measure on, to look at plans with
// psql, or to run the service on.
//
//	go run ./bench/world -size small
//	go run ./bench/world -size full -keep -dir /tmp/world
//	DATABASE_URL=... go run ./bench/world -size full -due 200000 -due-endpoints 5000
//
// It migrates the database first. Without DATABASE_URL it starts a Postgres of its own, prints its URL, and runs it until
// interrupted; -keep keeps its directory for the next time. In a database that already has a world it only adds the
// requested due retries.
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
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2) // the flag package has printed the error to stderr
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "world: %v\n", err)
		os.Exit(1)
	}
}

// config is the values of the flags.
type config struct {
	world world.Config
	dir   string
	keep  bool
	stop  bool
}

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("world", flag.ContinueOnError)
	size := flags.String("size", "small", "small or full")
	seed := flags.Uint64("seed", 1, "the same seed makes the same world")
	url := flags.String("url", "", "what endpoints' URLs begin with; by default that of no host")
	due := flags.Int("due", 0, "add as many retries that are due")
	dueEndpoints := flags.Int("due-endpoints", 5000, "spread the due retries over as many endpoints")
	flags.StringVar(&c.dir, "dir", "", "the directory of the Postgres that is started without DATABASE_URL; by default a temporary one")
	flags.BoolVar(&c.keep, "keep", false, "leave the directory of that Postgres when it is stopped")
	flags.BoolVar(&c.stop, "stop", false, "stop that Postgres once the world is made")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	switch *size {
	case "small":
		c.world = world.Small(*seed)
	case "full":
		c.world = world.Full(*seed)
	default:
		return c, fmt.Errorf("size is small or full, not %q", *size)
	}
	if *url != "" {
		c.world.URL = *url
	}
	c.world.Due, c.world.DueEndpoints = *due, *dueEndpoints
	return c, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if url := os.Getenv("DATABASE_URL"); url != "" {
		return fill(ctx, c.world, url, out)
	}
	return fillOwn(ctx, c, out)
}

// fillOwn fills a Postgres of its own, which runs until interrupted.
func fillOwn(ctx context.Context, c config, out io.Writer) (err error) {
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "postrider-world-*"); err != nil {
			return err
		}
	}
	server, err := localpg.Start(ctx, localpg.Config{Dir: c.dir, Ephemeral: true})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, server.Stop())
		if !c.keep {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
	}()
	fmt.Fprintf(out, "directory: %s\nDATABASE_URL=%q\n", c.dir, server.URL())
	if err := fill(ctx, c.world, server.URL(), out); err != nil || c.stop {
		return err
	}
	fmt.Fprintln(out, "running until it is interrupted")
	select {
	case <-ctx.Done():
		return nil
	case <-server.Done():
		return errors.New("Postgres has ended")
	}
}

// fill migrates the database and makes the world, or only adds due retries if there is a world.
func fill(ctx context.Context, c world.Config, url string, out io.Writer) error {
	if code := app.Main(ctx, []string{"migrate", "up", "--database-url", url}, io.Discard, os.Stderr); code != 0 {
		return errors.New("the database cannot be migrated")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.RuntimeParams["search_path"] = "postrider"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	begin := time.Now()
	if w, err := world.Load(ctx, conn); err == nil {
		n, err := world.AddDue(ctx, conn, w.Now, c.Due, c.DueEndpoints)
		fmt.Fprintf(out, "a world is there; %d due retries added in %s\n", n, time.Since(begin).Round(time.Millisecond))
		return err
	}
	if _, err := world.Make(ctx, conn, c); err != nil {
		return err
	}
	fmt.Fprintf(out, "made in %s\n", time.Since(begin).Round(time.Millisecond))
	return summary(ctx, conn, out)
}

// summary prints the numbers of rows and their sizes.
func summary(ctx context.Context, conn *pgx.Conn, out io.Writer) error {
	var size string
	if err := conn.QueryRow(ctx, "SELECT pg_size_pretty(pg_database_size(current_database()))").Scan(&size); err != nil {
		return err
	}
	for _, table := range []string{"application", "endpoint", "message", "attempt", "delivery"} {
		var n int64
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return err
		}
		fmt.Fprintf(out, "%-12s %9d\n", table, n)
	}
	fmt.Fprintf(out, "%-12s %9s\n", "size", size)
	return nil
}
