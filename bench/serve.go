package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serveMain runs postrider, prints its process id and its address once it is ready, and stops it cleanly when ctx
// ends. Postrider itself would not notice that the benchmark was killed.
func serveMain(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("bench serve", flag.ContinueOnError)
	binary := f.String("binary", "", "postrider")
	dir := f.String("dir", "", "its data directory")
	component := f.String("component", serveName, "which part of postrider")
	database := f.String("database", "", "a database instead of one of its own in the data directory")
	sources := f.String("sources", "", "where messages come from besides its API")
	collector := f.String("collector", "", "the `URL` of an OpenTelemetry collector")
	traces := f.String("traces", "", "which share of traces it gets")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	cmd := exec.CommandContext(ctx, *binary, *component)
	cmd.Env = append(cleanEnvironment(),
		"POSTRIDER_JWT_SECRET="+os.Getenv("POSTRIDER_JWT_SECRET"), "POSTRIDER_DATA_DIR="+*dir,
		"POSTRIDER_LISTEN=127.0.0.1:0", "POSTRIDER_LOG_FORMAT=json", "POSTRIDER_SOURCES="+*sources,
		"POSTRIDER_STOP_DELAY=0s", "POSTRIDER_OPS_LISTEN=") // several run at a time, without a load balancer
	if *database != "" {
		cmd.Env = append(cmd.Env, "DATABASE_URL="+*database, "POSTRIDER_ALLOW_SUBNETS=127.0.0.0/8,::1/128")
	}
	if *collector != "" {
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+*collector, "OTEL_METRIC_EXPORT_INTERVAL=1000", "OTEL_BSP_SCHEDULE_DELAY=1000",
			"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG="+*traces)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = servePatience
	cmd.Stderr = os.Stderr
	log, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	tail := follow(cmd.Process.Pid, log, stdout)
	if err := cmd.Wait(); ctx.Err() == nil {
		return fmt.Errorf("postrider ended before it was told to (%w): %s", cmp.Or(err, errEnded), strings.Join(tail, "\n"))
	}
	return nil
}

var errEnded = errors.New("exit status 0")

// servePatience is how long postrider may take to stop, which is longer than its own limit.
const servePatience = 30 * time.Second

// follow reads the log to its end and returns its last lines. At "ready" it prints the process id and the address,
// which only an API has.
func follow(pid int, log io.Reader, stdout io.Writer) []string {
	var tail []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var entry struct{ Msg, Address, Level string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "ready" {
			fmt.Fprintln(stdout, pid, entry.Address)
		}
		if entry.Level == "WARN" || entry.Level == "ERROR" {
			fmt.Fprintln(os.Stderr, "postrider:", lines.Text())
		}
		if tail = append(tail, lines.Text()); len(tail) > 20 {
			tail = tail[1:]
		}
	}
	return tail
}

// cleanEnvironment returns our environment without the variables that postrider reads: its defaults are measured.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "POSTRIDER_") || strings.HasPrefix(variable, "OTEL_") || strings.HasPrefix(variable, "DATABASE_URL=")
	})
}
