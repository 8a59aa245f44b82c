package app

import (
	"context"

	"github.com/postrider/postrider/store"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Apply every migration that was not applied yet."`
	Down   migrateDownCommand   `cmd:"" help:"Take the last migration back. What its tables held is lost."`
	Status migrateStatusCommand `cmd:"" help:"List the migrations and which of them are applied."`
}

type (
	migrateUpCommand     struct{}
	migrateDownCommand   struct{}
	migrateStatusCommand struct{}
)

func (migrateUpCommand) Run(ctx context.Context, c *Config, con console) error {
	return withDatabase(ctx, *c, con, func(url string) error {
		if err := store.Migrate(ctx, url); err != nil {
			return err
		}
		return printStatus(ctx, url, con)
	})
}

func (migrateDownCommand) Run(ctx context.Context, c *Config, con console) error {
	return withDatabase(ctx, *c, con, func(url string) error {
		if err := store.MigrateDown(ctx, url); err != nil {
			return err
		}
		return printStatus(ctx, url, con)
	})
}

func (migrateStatusCommand) Run(ctx context.Context, c *Config, con console) error {
	return withDatabase(ctx, *c, con, func(url string) error { return printStatus(ctx, url, con) })
}

func printStatus(ctx context.Context, url string, con console) error {
	migrations, err := store.MigrateStatus(ctx, url)
	for _, m := range migrations {
		mark := " "
		if m.Applied {
			mark = "x"
		}
		con.printf("[%s] %s\n", mark, m.File)
	}
	return err
}

// withDatabase works on the database that was given, or on the local one while it runs for this.
func withDatabase(ctx context.Context, c Config, con console, work func(url string) error) error {
	i := &Instance{config: c, log: con.log, failed: make(chan error, 1)}
	defer i.Stop()
	if err := i.openDatabase(ctx); err != nil {
		return err
	}
	return work(i.config.DatabaseURL)
}
