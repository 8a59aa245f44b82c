package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/telemetry"
)

type (
	serveCommand  struct{}
	apiCommand    struct{}
	workerCommand struct{}
	jobsCommand   struct{}
)

func (serveCommand) Run(ctx context.Context, c *Config, con console) error {
	return run(ctx, *c, Parts{API: true, Worker: true, Jobs: true, Consume: true}, con)
}

func (apiCommand) Run(ctx context.Context, c *Config, con console) error {
	return runShared(ctx, *c, Parts{API: true}, con)
}

func (workerCommand) Run(ctx context.Context, c *Config, con console) error {
	return runShared(ctx, *c, Parts{Worker: true}, con)
}

func (jobsCommand) Run(ctx context.Context, c *Config, con console) error {
	return runShared(ctx, *c, Parts{Jobs: true}, con)
}

// runShared runs parts that make sense only beside others, on a database they share.
func runShared(ctx context.Context, c Config, parts Parts, con console) error {
	if c.DatabaseURL == "" {
		return errNoDatabase
	}
	return run(ctx, c, parts, con)
}

// run starts the parts and stops them when ctx ends or one of them fails.
func run(ctx context.Context, c Config, parts Parts, con console) error {
	if con.out == io.Writer(os.Stdout) { // The process is ours, as in Main.
		if most := limitMemory(con.log, availableMemory); most > 0 {
			go keepHeapSmall(ctx, most)
		}
	}
	if err := telemetry.CheckVariables(con.log); err != nil {
		return err
	}
	o, err := startOps(ctx, c, con.log)
	if err != nil {
		return err
	}
	defer o.stop()
	i, err := startWaiting(ctx, c, parts, con.log)
	if err != nil {
		return err
	}
	defer i.Stop()
	o.started(i)
	if err := i.announce(con, o); err != nil {
		return err
	}
	err = i.Wait(ctx)
	if err == nil {
		err = i.drain(i.stopDelay(isTerminal(con.out) || isTerminal(os.Stdin)))
	}
	con.log.Info("stopping")
	return err
}

const (
	startRetryMin = 250 * time.Millisecond
	startRetryMax = 15 * time.Second
)

// startWaiting starts the parts once their database is reachable. If the process exited instead, most supervisors
// would restart it with growing delays, and it would stay down for minutes after the end of the outage.
func startWaiting(ctx context.Context, c Config, parts Parts, log *slog.Logger) (*Instance, error) {
	var told time.Time
	for wait := startRetryMin; ; wait = min(2*wait, startRetryMax) {
		i, err := Start(ctx, c, parts, log)
		if _, away := errors.AsType[databaseAwayError](err); !away || ctx.Err() != nil {
			return i, err
		}
		if now := time.Now(); now.Sub(told) >= outageReminder {
			log.Error("database unreachable; retrying", "error", oneLine(err), "retry_in_ms", wait.Milliseconds())
			told = now
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// announce reports that all parts are ready: to a user at a terminal with the first steps, otherwise in the log.
func (i *Instance) announce(con console, o *ops) error {
	if i.address != nil && i.local && isTerminal(con.out) && i.makesTokens() {
		return i.printSteps(con.out)
	}
	address := ""
	if i.address != nil {
		address = i.address.String()
	}
	con.log.Info("ready", "version", Version(), "address", address, "ops_address", o.text(), "local_database", i.local,
		"loopback_endpoints", i.loopbackAllowed())
	return nil
}

// makesTokens reports whether the signing key can issue tokens; a public key cannot.
func (i *Instance) makesTokens() bool { return i.tokens.CanMake() == nil }

// typedCommand returns the command by which the reader of the steps would start the program.
func typedCommand() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ."
	}
	return os.Args[0]
}

// defaultOrg is the organisation of requests that name none; it is the same as that of the existing servers.
const defaultOrg core.OrgID = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

// printSteps prints the next steps for a user who tries Postrider on one machine.
func (i *Instance) printSteps(w io.Writer) error {
	token := typedCommand() + " token"
	if usual, err := localpg.DefaultDir(); err != nil || i.config.DataDir != usual {
		token += " --data-dir '" + i.config.DataDir + "'" // which contains the secret
	}
	return steps.Execute(w, map[string]any{
		"URL": i.URL(), "TokenCommand": token, "SecretIsSet": i.config.JWTSecret != "", "DatabaseURL": i.config.DatabaseURL, "Schema": i.config.Schema,
		"DataDir": i.config.DataDir, "Loopback": i.loopbackAllowed(), "Command": typedCommand(), "Listen": listenDefault,
		"FromSource": typedCommand() == "go run .",
	})
}

var steps = template.Must(template.New("steps").Parse(`
Postrider is ready at {{.URL}} (API reference: {{.URL}}/docs).
Open two more terminals{{if .FromSource}} in this directory{{end}}.

  1. In the first, print the webhooks that arrive:

     {{.Command}} listen

  2. In the second, get a token{{if .SecretIsSet}} (POSTRIDER_JWT_SECRET must be set as it is here){{end}}:

     TOKEN=$({{.TokenCommand}})

  3. Create an application and its endpoint:

     curl {{.URL}}/api/v1/app -H "Authorization: Bearer $TOKEN" -d '{"name": "Acme", "uid": "acme"}'
     curl {{.URL}}/api/v1/app/acme/endpoint -H "Authorization: Bearer $TOKEN" -d '{"url": "http://{{.Listen}}/"}'

  4. Send a message:

     curl {{.URL}}/api/v1/app/acme/msg -H "Authorization: Bearer $TOKEN" -d '{"eventType": "invoice.paid", "payload": {"amount": 42}}'

  5. Or send one with SQL, in any transaction of this database:

     psql '{{.DatabaseURL}}' -c "SELECT {{.Schema}}.message_send('acme', 'invoice.paid', '{\"amount\": 42}')"

{{if .Loopback}}Endpoints may use loopback addresses, because Postgres and the API are reachable from this machine only.
{{end}}Data is kept in {{.DataDir}}. To use your own Postgres, set DATABASE_URL and POSTRIDER_JWT_SECRET.
Press Ctrl-C to stop.

`))
