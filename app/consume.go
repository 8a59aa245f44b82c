package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/outbox"
	"github.com/postrider/postrider/store"
)

type consumeCommand struct {
	Check bool `help:"Check that each source is configured and reachable, print the results, and exit with 0 if all are."`
}

// Run stores messages from brokers and the outbox, or with --check only tries to reach them.
func (cmd consumeCommand) Run(ctx context.Context, c *Config, con console) error {
	if !cmd.Check {
		return runShared(ctx, *c, Parts{Consume: true}, con)
	}
	if c.DatabaseURL == "" {
		return errNoDatabase
	}
	s, err := c.openStore(ctx, "consume", store.Config{Log: con.log})
	if err != nil {
		return err
	}
	defer s.Close()
	return c.checkSources(ctx, s, con)
}

// checkTimeout is how long one source may take to answer.
const checkTimeout = 15 * time.Second

var errSources = errors.New("some sources are not usable; see the lines above")

// checkSources connects to each source and prints a line about each.
func (c *Config) checkSources(ctx context.Context, box core.Outbox, con console) error {
	sources, err := c.sources()
	if err != nil {
		return err
	}
	for _, s := range sources {
		o, openErr := s.open(box, con.log)
		if openErr == nil {
			openErr = checkSource(ctx, o.source)
		}
		if openErr != nil {
			err = errSources
			con.printf("%s (%s): %s\n", s.Name, o.system, oneLine(openErr))
			continue
		}
		con.printf("%s (%s): ok\n", s.Name, o.system)
	}
	return err
}

func checkSource(ctx context.Context, source ingest.Source) error {
	checking, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := source.Check(checking)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	return errors.Join(err, source.Close(closing))
}

// startConsumers runs each source on its own, so that one whose broker is down does not delay the others.
func (i *Instance) startConsumers(dispatcher core.Dispatcher) error {
	sources, err := i.config.sources()
	if err != nil {
		return fmt.Errorf("%s: %w", i.config.sourcesSetting(), err)
	}
	ingester := core.NewIngest(i.store.ForSources(), store.NewMessageInserter(i.store, dispatcher), i.store.Now)
	for _, s := range sources {
		o, err := s.open(i.store.ForSources(), i.log)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", i.config.sourcesSetting(), s.Name, err)
		}
		var sink ingest.Sink = ingester
		if s.Outbox != nil {
			sink = outbox.Sink(ingester)
		}
		config := ingest.Config{
			Name: s.Name, Type: s.kind(), System: o.system, Destination: o.destination, Group: o.group,
			Source: o.source, Sink: countingSink{sink, i.accepted(s.kind())}, Decode: o.decode,
			StopTimeout: i.config.StopTimeout,
			Tracer:      i.traces.Tracer(), Meter: i.metrics.Meter(), Clock: time.Now, Log: i.log,
		}
		i.part(func(ctx context.Context) { ingest.Run(ctx, config) })
	}
	return nil
}
