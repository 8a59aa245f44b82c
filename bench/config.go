package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"
)

// config is the command line.
type config struct {
	rounds      int
	messages    int
	warmup      int
	clients     int
	payload     int
	idempotency bool
	floor       float64
	only        string
	binary      string
	against     string
	profile     string
	traces      float64

	scenario string
	rate     int
	span     time.Duration
	backlog  int
	beside   string

	split    bool
	held     string
	database string

	due       int
	endpoints int

	attack string
}

func parseConfig(args []string) (config, error) {
	var c config
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&c.rounds, "rounds", 5, "how often each scenario is measured, in turn")
	f.IntVar(&c.messages, "messages", 20_000, "messages a round")
	f.IntVar(&c.warmup, "warmup", 3_000, "messages sent before those that count, in each round")
	f.IntVar(&c.clients, "clients", 64, "clients, each of which sends the next message once the last is answered")
	f.IntVar(&c.payload, "payload", 400, "bytes of a payload")
	f.BoolVar(&c.idempotency, "idempotency", true, "send an idempotency-key with each message, as the SDKs do")
	f.Float64Var(&c.floor, "floor", 0.45, "the least median ratio of serve to relay; below it the exit code is 1")
	f.StringVar(&c.only, "only", "", "measure one scenario alone: relay or serve")
	f.StringVar(&c.binary, "binary", "", "measure this postrider rather than one built from the working tree")
	f.StringVar(&c.against, "against", "", "measure this postrider too, in the same rounds")
	f.StringVar(&c.profile, "profile", "", "write CPU profiles of relay, load and receive into this `directory`; postrider offers none, so for serve use perf")
	f.Float64Var(&c.traces, "traces", 0, "throughput: make serve, but not -against, export metrics and this share of its traces, such as 0.01, to a collector that discards them")
	f.StringVar(&c.scenario, "scenario", throughputName, "throughput; isolation: what dead endpoints cost the others; kafka: what comes through it, beside REST; snapshot: what a snapshot held elsewhere costs; retries: how fast those go out that are due at once; neighbours: what one customer's attacks cost another; or sizing: processor time, memory and disk per message")
	f.IntVar(&c.rate, "rate", 0, "isolation, snapshot, neighbours, sizing: messages a second to healthy endpoints; by default 100, 1000, 20 and 100")
	f.DurationVar(&c.span, "span", 0, "isolation: how long each measurement takes; by default 20s. snapshot: how long messages are sent, up to the release; by default 10m. neighbours: how long each is measured, alone and beside; by default 10s. sizing: how long messages are sent at that rate; by default 20s")
	f.IntVar(&c.backlog, "backlog", 100_000, "isolation: deliveries that wait for dead endpoints")
	f.StringVar(&c.beside, "beside", "", "isolation: these variants alone, comma-separated: hanging, refused, slow, hostile, many")
	f.BoolVar(&c.split, "split", true, "snapshot, retries, neighbours, sizing: accept and deliver in processes apart; false: in one, as neighbours do by default")
	f.StringVar(&c.held, "held", "snapshot", "snapshot: the transactions that are held, comma-separated: snapshot, write, idle; or none, to compare")
	f.StringVar(&c.database, "database", "", "snapshot, retries, sizing: the `URL` of a database to use instead of a new one for each round; retries: what is owed there is given up, and endpoints are pointed at this machine")
	f.IntVar(&c.due, "due", 200_000, "retries: how many are due")
	f.IntVar(&c.endpoints, "endpoints", 5_000, "retries: at how many endpoints")
	f.StringVar(&c.attack, "attack", "", "neighbours: these attacks alone, comma-separated")
	if err := f.Parse(args); err != nil {
		return c, flag.ErrHelp // Parse has printed the error
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	c.setDefaults(given)
	if f.NArg() > 0 {
		return c, fmt.Errorf("what is %q? All settings are flags; -help lists them", f.Arg(0))
	}
	return c, c.validate()
}

// setDefaults sets defaults that depend on the scenario.
func (c *config) setDefaults(given map[string]bool) {
	if c.scenario == snapshotName {
		c.rate, c.span = cmp.Or(c.rate, 1000), cmp.Or(c.span, 10*time.Minute)
	}
	if (c.scenario == snapshotName || c.scenario == retriesName) && !given["rounds"] {
		c.rounds = 1 // rounds are long enough
	}
	if c.scenario == sizingName && !given["rounds"] {
		c.rounds = 3
	}
	if c.scenario == neighboursName {
		c.rate, c.span = cmp.Or(c.rate, 20), cmp.Or(c.span, 10*time.Second)
		c.split = c.split && given["split"]
		if !given["rounds"] {
			c.rounds = 3
		}
	}
	c.rate, c.span = cmp.Or(c.rate, 100), cmp.Or(c.span, 20*time.Second)
}

const (
	messagesMax = 1_000_000 // ids are kept in memory, three times
	payloadMin  = 150       // the size of a payload without padding
	payloadMax  = 1 << 20
)

func (c config) validate() error {
	switch {
	case c.rounds < 1 || c.rounds > 1000:
		return errors.New("-rounds: from 1 to 1000")
	case c.messages < 1 || c.messages > messagesMax || c.warmup < 0 || c.warmup > messagesMax:
		return fmt.Errorf("-messages, -warmup: at most %d", messagesMax)
	case c.clients < 1 || c.clients > 10_000:
		return errors.New("-clients: from 1 to 10000")
	case c.payload < payloadMin || c.payload > payloadMax:
		return fmt.Errorf("-payload: from %d to %d", payloadMin, payloadMax)
	case c.traces < 0 || c.traces > 1 || c.traces > 0 && c.scenario != throughputName:
		return errors.New("-traces: from 0 to 1, of -scenario throughput")
	case c.only != "" && c.only != relayName && c.only != serveName:
		return errors.New("-only: relay or serve")
	case !slices.Contains([]string{throughputName, isolationName, kafkaName, snapshotName, retriesName, neighboursName, sizingName}, c.scenario):
		return errors.New("-scenario: throughput, isolation, kafka, snapshot, retries, neighbours or sizing")
	case c.rate < healthyEndpoints || c.rate > 1000 || c.span < time.Second || c.backlog < batchMax || c.backlog > messagesMax:
		return fmt.Errorf("-rate: from %d to 1000; -span: 1s or more; -backlog: from %d to %d", healthyEndpoints, batchMax, messagesMax)
	case c.due > messagesMax || c.endpoints < 1 || c.due < c.endpoints:
		return fmt.Errorf("-endpoints: 1 or more; -due: from as many to %d", messagesMax)
	}
	_, err := c.heldNames()
	_, unknown := attacksNamed(c.attack)
	return errors.Join(err, unknown)
}
