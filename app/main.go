package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/postrider/postrider/telemetry"
)

// Exit codes, as shells and supervisors expect them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands are the subcommands beside the settings they share.
type commands struct {
	Config

	Serve       serveCommand       `cmd:"" default:"1" help:"Run everything in one process (the default)."`
	API         apiCommand         `cmd:"" name:"api" help:"Run the REST API alone."`
	Worker      workerCommand      `cmd:"" help:"Run deliveries alone."`
	Consume     consumeCommand     `cmd:"" help:"Run message consumers alone: brokers and the outbox, as POSTRIDER_SOURCES_FILE names them."`
	Jobs        jobsCommand        `cmd:"" help:"Run scheduled work and background tasks alone."`
	Migrate     migrateCommand     `cmd:"" help:"Change the database's schema, or show where it stands."`
	Secrets     secretsCommand     `cmd:"" help:"Encrypt the secrets, headers and passwords of endpoints in the database, or count them by key."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask the process that runs with the same POSTRIDER_OPS_LISTEN whether it is ready; the exit code says it."`
	Token       tokenCommand       `cmd:"" help:"Print an API token, or end one."`
	Listen      listenCommand      `cmd:"" help:"Receive webhooks and print them, to try with."`
	Demo        demoCommand        `cmd:"" help:"Start everything, send real events, and show what arrives."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// console is where a command writes for whoever typed it; the log goes to out as well.
type console struct {
	out io.Writer
	err io.Writer // what is not the result
	log *slog.Logger
}

func (c console) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// Main runs the command that args name until it is done or ctx ends, and returns the process's exit
// code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli struct {
		commands `embed:""`
	}
	parser, err := kong.New(&cli,
		kong.Name("postrider"),
		kong.Description("Sends webhooks. Needs nothing but Postgres."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.UsageOnError(),
	)
	if err != nil {
		panic(err) // the struct above is wrong, whatever the arguments
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "postrider: %s\n", oneLine(err))
		return exitUsage
	}
	collectLessOften()
	log := telemetry.NewLogger(stdout, cli.LogLevel, cli.LogFormat)
	if stdout == io.Writer(os.Stdout) { // The process is ours; tests run commands inside theirs.
		telemetry.CaptureLibraries(log)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(&cli.Config, console{out: stdout, err: stderr, log: log}); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "postrider: %s\n", oneLine(err))
		return exitFailed
	}
	return exitOK
}

// gcPercent lets the heap grow to five times what is live before it is collected. What is live is
// small, some megabytes, so that at the usual 100 the collector is an eighth of all work.
const gcPercent = 400

// collectLessOften leaves it as it is where GOGC says otherwise.
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// oneLine is an error on one line, for logs that are read by the line; some list what was tried, the
// same thing twice too.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(parts, line) {
			parts = append(parts, line)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), ":; ", ": ")
}

// isTerminal reports whether somebody sits at the other end of what a command reads or writes. The device that nothing
// comes from, which is standard input in containers and under supervisors, is a character device, too.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
