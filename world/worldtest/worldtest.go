// Package worldtest gives tests the small world. It is made once per test process, cloned for each test that changes it,
// and shared by those that do not.
//
//	var worlds = worldtest.Template(store.Migrate)
//
//	url := worlds.Shared(t) // to read, and for transactions that are rolled back
//	url := worlds.New(t)    // to change, at about a second
//
// Its time is world.FixedNow, so that figures can be compared between days; world.Load returns the names of its
// contents. The package must not know what the tests are about.
package worldtest

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/world"
)

// Config returns the configuration of the tests' small world.
func Config() world.Config {
	c := world.Small(1)
	c.Now = world.FixedNow
	return c
}

// Template returns a template for a package variable. Tests that use it need pgtest.M or pgtest.Main.
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
