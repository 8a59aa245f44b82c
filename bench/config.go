package main

import (
	"errors"
	"flag"
	"fmt"
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

	scenario string
	rate     int
	span     time.Duration
	backlog  int
	beside   string
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
	f.StringVar(&c.scenario, "scenario", throughputName, "throughput; isolation: what dead endpoints cost the others; or kafka: what comes through it, beside REST")
	f.IntVar(&c.rate, "rate", 100, "isolation: messages a second to healthy endpoints")
	f.DurationVar(&c.span, "span", 20*time.Second, "isolation: how long each measurement takes")
	f.IntVar(&c.backlog, "backlog", 100_000, "isolation: deliveries that wait for dead endpoints")
	f.StringVar(&c.beside, "beside", "", "isolation: these variants alone, comma-separated: hanging, refused, slow, hostile, many")
	if err := f.Parse(args); err != nil {
		return c, flag.ErrHelp // Parse has said what is wrong
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("what is %q? All settings are flags; -help lists them", f.Arg(0))
	}
	return c, c.validate()
}

const (
	messagesMax = 1_000_000 // ids are kept in memory, three times
	payloadMin  = 150       // what stands in every payload beside the padding
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
	case c.only != "" && c.only != relayName && c.only != serveName:
		return errors.New("-only: relay or serve")
	case c.scenario != throughputName && c.scenario != isolationName && c.scenario != kafkaName:
		return errors.New("-scenario: throughput, isolation or kafka")
	case c.rate < healthyEndpoints || c.rate > 1000 || c.span < time.Second || c.backlog < batchMax || c.backlog > messagesMax:
		return fmt.Errorf("-rate: from %d to 1000; -span: 1s or more; -backlog: from %d to %d", healthyEndpoints, batchMax, messagesMax)
	}
	return nil
}
