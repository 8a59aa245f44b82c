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

// commands are the subcommands and the settings they share.
type commands struct {
	Config

	ShowVersion versionFlag `name:"version" help:"Print the version."`

	Serve       serveCommand       `cmd:"" default:"1" help:"Run all components in one process (the default)."`
	API         apiCommand         `cmd:"" name:"api" help:"Run the REST API only."`
	Worker      workerCommand      `cmd:"" help:"Run the delivery worker only."`
	Consume     consumeCommand     `cmd:"" help:"Run the message consumers only, for brokers and the outbox."`
	Jobs        jobsCommand        `cmd:"" help:"Run scheduled jobs and background tasks only."`
	Migrate     migrateCommand     `cmd:"" help:"Change or show the database schema."`
	Roles       rolesCommand       `cmd:"" help:"Print an SQL script that makes database roles with few privileges: for migrations, for the service, for reading and for the outbox."`
	Secrets     secretsCommand     `cmd:"" help:"Encrypt or count the endpoint secrets in the database."`
	Healthcheck healthcheckCommand `cmd:"" help:"Report by exit code whether the process with the same POSTRIDER_OPS_LISTEN is ready: 0 if it is, 1 if not."`
	Token       tokenCommand       `cmd:"" help:"Issue or revoke API tokens."`
	Listen      listenCommand      `cmd:"" help:"Receive webhooks and print them, to try Postrider."`
	Demo        demoCommand        `cmd:"" help:"Run Postrider on a temporary database, send events and print the webhooks that arrive."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// console is where a command writes for its user; the log goes to out as well.
type console struct {
	out io.Writer
	err io.Writer // for everything but the result
	log *slog.Logger
}

func (c console) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// newParser returns the parser of the command line. It calls exit with the exit code after a flag such as --help has
// done its work; parsing then continues, and its result is meaningless.
func newParser(cli *commands, stdout, stderr io.Writer, exit func(int)) *kong.Kong {
	parser, err := kong.New(cli,
		kong.Name("postrider"),
		kong.Description("Sends webhooks. Needs nothing but Postgres."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(printHelp),
		kong.Exit(exit),
	)
	if err != nil {
		panic(err) // commands is invalid, whatever the arguments
	}
	return parser
}

// Main runs the command that args name until it is done or ctx ends, and returns the process's exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli commands
	exited := false
	parser := newParser(&cli, stdout, stderr, func(int) { exited = true })
	command, err := parser.Parse(args)
	if exited {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "postrider: %s\n", oneLine(err))
		return exitUsage
	}
	collectLessOften()
	log := telemetry.NewLogger(stdout, cli.LogLevel, cli.logFormat(stdout))
	if stdout == io.Writer(os.Stdout) { // The process is ours; tests run commands inside theirs.
		telemetry.CaptureLibraries(log)
	}
	con := console{out: stdout, err: stderr, log: log}
	warnOfUnknown(unknownVariables(os.Environ(), variablesOf(parser.Model.Node), cli.referredVariables()), command.Selected(), con)
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(&cli.Config, con); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "postrider: %s\n", oneLine(err))
		return exitFailed
	}
	return exitOK
}

// gcPercent lets the heap grow to five times its live size before it is collected. Only some megabytes are live, and
// at the default of 100 the collector takes an eighth of the CPU time.
const gcPercent = 400

// collectLessOften sets gcPercent unless GOGC is set.
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// oneLine returns an error's text on one line, for logs that are read line by line. Some errors list what was tried,
// line by line, and repeat themselves; repeated lines are left out.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(parts, line) {
			parts = append(parts, line)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), ":; ", ": ")
}

// logFormat returns the format of a log that is written to out.
func (c *Config) logFormat(out io.Writer) string {
	switch {
	case c.LogFormat != "auto":
		return c.LogFormat
	case isTerminal(out):
		return "text"
	}
	return "json"
}

// isTerminal reports whether a stream is a terminal. The null device, which is standard input in containers and under
// supervisors, is also a character device but not a terminal.
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
