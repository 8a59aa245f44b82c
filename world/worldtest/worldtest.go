// Package worldtest gives tests the small world: made once in a test process, cloned for each test that
// changes it, shared by those that do not.
//
//	var worlds = worldtest.Template(store.Migrate)
//
//	url := worlds.Shared(t) // to read, and for transactions that are rolled back
//	url := worlds.New(t)    // to change, at about a second
//
// Its day is world.FixedNow, so that figures can be compared from day to day; world.Load returns the
// names of what is in it. It must not know what the tests are about.
package worldtest

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/world"
)

// Config is that of the small world of tests.
func Config() world.Config {
	c := world.Small(1)
	c.Now = world.FixedNow
	return c
}

// Template is for a package variable. Tests that use it need pgtest.M or pgtest.Main.
func Template(migrate func(ctx context.Context, url string) error) *pgtest.Databases {
	return pgtest.Template(func(ctx context.Context, url string) error {
		if err := migrate(ctx, url); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = world.Make(ctx, conn, Config())
		return err
	}).Large()
}
