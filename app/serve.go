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

// startWaiting starts the parts once their database is reachable. A process that ended instead would be
// restarted later and later by most supervisors, and stay away for minutes after the outage is over.
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

// announce tells that everything is ready: a person how to go on, a log that it is so.
func (i *Instance) announce(con console, o *ops) error {
	address := ""
	if i.address != nil {
		address = i.address.String()
	}
	if i.address == nil || !i.local || !isTerminal(con.out) || !i.makesTokens() {
		con.log.Info("ready", "version", Version(), "address", address, "ops_address", o.text(), "local_database", i.local,
			"loopback_endpoints", i.loopbackAllowed())
		return nil
	}
	token, err := i.tokens.Org(defaultOrg, core.OrgTokenLifetime)
	if err != nil {
		return err
	}
	return banner.Execute(con.out, map[string]any{
		"URL": i.URL(), "Token": token, "DatabaseURL": i.config.DatabaseURL, "DataDir": i.config.DataDir, "Loopback": i.loopbackAllowed(),
		"Command": typedCommand(), "Listen": listenDefault,
	})
}

// makesTokens is false where the key only verifies them.
func (i *Instance) makesTokens() bool { return i.tokens.CanMake() == nil }

// typedCommand is how whoever reads the banner would start another command.
func typedCommand() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ."
	}
	return os.Args[0]
}

// defaultOrg is the organisation of those who name none; the same as that of the existing servers.
const defaultOrg core.OrgID = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

var banner = template.Must(template.New("banner").Parse(`
Postrider is ready at {{.URL}} (the API: {{.URL}}/docs)

Try it. Paste this into another terminal, and then its lines one by one:

  TOKEN={{.Token}}

  curl {{.URL}}/api/v1/app -H "Authorization: Bearer $TOKEN" -d '{"name": "Acme", "uid": "acme"}'
  curl {{.URL}}/api/v1/app/acme/endpoint -H "Authorization: Bearer $TOKEN" -d '{"url": "http://{{.Listen}}/"}'
  curl {{.URL}}/api/v1/app/acme/msg -H "Authorization: Bearer $TOKEN" -d '{"eventType": "invoice.paid", "payload": {"amount": 42}}'

Or send with SQL, from any transaction in this database:

  psql '{{.DatabaseURL}}' -c "SELECT message_send('acme', 'invoice.paid', '{\"amount\": 42}')"

To see webhooks arrive there:  {{.Command}} listen
{{- if .Loopback}}
Endpoints may be on this machine (loopback), because the database is local and so is the listener.
{{- end}}
Data is kept in {{.DataDir}}. For a Postgres of your own set DATABASE_URL and POSTRIDER_JWT_SECRET.
Ctrl-C stops everything.

`))
