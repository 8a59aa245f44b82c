package app

import (
	"context"
	"fmt"

	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/store"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Apply all pending migrations."`
	Down   migrateDownCommand   `cmd:"" help:"Revert the last migration. The data in its tables is lost."`
	Status migrateStatusCommand `cmd:"" help:"List all migrations; [x] marks those applied."`
}

type (
	migrateUpCommand     struct{}
	migrateDownCommand   struct{}
	migrateStatusCommand struct{}
)

func (migrateUpCommand) Run(ctx context.Context, c *Config, con console) error {
	return withDatabase(ctx, *c, "migrate", con, func(d store.Database) error {
		if err := (store.Migrator{Database: d, Log: con.log}).Up(ctx); err != nil {
			return err
		}
		return printStatus(ctx, d, con)
	})
}

func (migrateDownCommand) Run(ctx context.Context, c *Config, con console) error {
	return withOwnDatabase(ctx, *c, "migrate", con, func(d store.Database) error { // not under a server that needs the tables
		if err := (store.Migrator{Database: d, Log: con.log}).Down(ctx); err != nil {
			return err
		}
		return printStatus(ctx, d, con)
	})
}

func (migrateStatusCommand) Run(ctx context.Context, c *Config, con console) error {
	return withDatabase(ctx, *c, "migrate", con, func(d store.Database) error { return printStatus(ctx, d, con) })
}

func printStatus(ctx context.Context, d store.Database, con console) error {
	migrations, err := store.MigrateStatus(ctx, d)
	for _, m := range migrations {
		mark := " "
		if m.Applied {
			mark = "x"
		}
		con.printf("[%s] %s\n", mark, m.File)
	}
	return err
}

// withDatabase runs work on the database of DATABASE_URL or else on the local one: that of a running serve, or one
// that is started for the duration of work.
func withDatabase(ctx context.Context, c Config, component string, con console, work func(d store.Database) error) error {
	if c.DatabaseURL == "" {
		dir, err := c.dataDir()
		if err != nil {
			return err
		}
		url, err := localpg.Find(ctx, dir)
		if err != nil {
			return fmt.Errorf("POSTRIDER_DATA_DIR: %w", err)
		}
		if url != "" {
			c.DatabaseURL = url
			return work(c.database(component))
		}
	}
	return withOwnDatabase(ctx, c, component, con, work)
}

// withOwnDatabase is withDatabase without the database of a running serve.
func withOwnDatabase(ctx context.Context, c Config, component string, con console, work func(d store.Database) error) error {
	i := &Instance{config: c, log: con.log, failed: make(chan error, 1)}
	defer i.Stop()
	if err := i.openDatabase(ctx); err != nil {
		return err
	}
	return work(i.config.database(component))
}
