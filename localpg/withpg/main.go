// Command withpg runs a command with an ephemeral Postgres, to which DATABASE_URL and libpq's PG variables point:
//
//	go run ./localpg/withpg -- psql -c 'SELECT version()'
//
// It returns the command's exit code. The Makefile uses it for tools that need a database to analyse.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/postrider/postrider/localpg"
)

const (
	exitTrouble  = 125 // our own failure, not the command's: as env and docker run use it
	exitNotFound = 127 // as shells use it
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withpg -- COMMAND [ARGUMENT...]")
		os.Exit(exitTrouble)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, args)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpg:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (code int, err error) {
	server, err := localpg.Start(ctx, localpg.Config{Ephemeral: true, InMemory: true})
	if err != nil {
		return exitTrouble, err
	}
	defer func() {
		if stopErr := server.Stop(); stopErr != nil && err == nil {
			code, err = exitTrouble, stopErr
		}
	}()
	env, err := environment(server.URL())
	if err != nil {
		return exitTrouble, err
	}
	return runCommand(ctx, args, env)
}

// runCommand gives the command time to end by itself when we are interrupted, because Ctrl-C in a terminal has
// reached it as well.
func runCommand(ctx context.Context, args, env []string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return exitNotFound, err
	case errors.As(err, &exit):
		return exitCode(exit), nil
	case err != nil:
		return exitTrouble, err
	}
	return 0, nil
}

// exitCode converts a death by signal to the shell's exit code.
func exitCode(exit *exec.ExitError) int {
	status := exit.Sys().(syscall.WaitStatus) // documented for every Unix
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func environment(databaseURL string) ([]string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, err
	}
	return []string{
		"DATABASE_URL=" + databaseURL,
		"PGHOST=" + u.Query().Get("host"),
		"PGPORT=" + u.Query().Get("port"),
		"PGSSLMODE=" + u.Query().Get("sslmode"),
		"PGUSER=" + u.User.Username(),
		"PGDATABASE=" + strings.TrimPrefix(u.Path, "/"),
	}, nil
}
