package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/localpg"
)

// cell is a postrider with a database that the benchmark can query: either a process that accepts and one that
// delivers, or one that does both.
type cell struct {
	url       string // of the database
	binary    string
	jwtSecret string // as a variable's value
	dir       string // temporary; empty: the database is not ours
	api       apiClient
	processes map[string]*postrider // by component
	server    *localpg.Server       // nil: the database is not ours
}

const (
	apiName    = "api"
	workerName = "worker"
)

// components returns the components of a cell.
func (c config) components() []string {
	if c.split {
		return []string{apiName, workerName}
	}
	return []string{serveName}
}

// newCell starts a postrider on a new database, or on the one that -database names.
func (b *bench) newCell(ctx context.Context, binary string) (_ *cell, err error) {
	c := &cell{url: b.database, binary: binary, jwtSecret: "POSTRIDER_JWT_SECRET=" + rand.Text() + rand.Text(), processes: map[string]*postrider{}}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if c.url == "" {
		if err := c.startDatabase(ctx, b.dir); err != nil {
			return nil, err
		}
	}
	if c.api.token, err = tokenOf(ctx, binary, c.jwtSecret); err != nil {
		return nil, err
	}
	for _, component := range b.components() {
		if err := c.start(ctx, component); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cell) startDatabase(ctx context.Context, parent string) (err error) {
	if c.dir, err = os.MkdirTemp(parent, "cell-*"); err != nil {
		return err
	}
	if err := os.Chmod(c.dir, 0o711); err != nil { // for the account of root's Postgres
		return err
	}
	if c.server, err = localpg.Start(ctx, localpg.Config{Dir: filepath.Join(c.dir, "server")}); err != nil {
		return err
	}
	c.url = c.server.URL()
	return nil
}

func (c *cell) start(ctx context.Context, component string) error {
	p, err := startPostrider(ctx, c.jwtSecret, "-binary", c.binary, "-component", component, "-database", c.url)
	if err != nil {
		return fmt.Errorf("%s: %w", component, err)
	}
	c.processes[component] = p
	if p.address != "" {
		c.api.base = "http://" + p.address
	}
	return nil
}

// stopProcess stops one running component.
func (c *cell) stopProcess(component string) {
	c.processes[component].stop()
	delete(c.processes, component)
}

func (c *cell) stop() {
	for _, p := range c.processes {
		p.stop()
	}
	if c.server != nil {
		_ = c.server.Stop() // its data is deleted anyway
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

// hold runs statements in a session of its own and leaves the transaction open until release is called.
func (c *cell) hold(ctx context.Context, statements string) (release func(), err error) {
	conn, err := connect(ctx, c.url)
	if err != nil {
		return nil, err
	}
	release = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	if _, err := conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// query reads one row.
func (c *cell) query(ctx context.Context, statement string, args []any, into ...any) error {
	return c.connected(ctx, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, statement, args...).Scan(into...) })
}

// execute runs a statement and returns how many rows it changed.
func (c *cell) execute(ctx context.Context, statement string, args ...any) (rows int, err error) {
	err = c.connected(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, statement, args...)
		rows = int(tag.RowsAffected())
		return err
	})
	return rows, err
}

func (c *cell) connected(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := connect(ctx, c.url)
	if err != nil {
		return err
	}
	err = do(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// connect connects to a database for statements about the tables of a Postrider, which may be as old as the ones that
// used the schema public.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = "postrider, public"
	return pgx.ConnectConfig(ctx, config)
}
