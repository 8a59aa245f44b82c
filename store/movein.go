package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/db"
)

const (
	// schemaOld is where releases before POSTRIDER_SCHEMA kept their tables.
	schemaOld = "public"

	// versionSchema is lower than the version of every migration that came with POSTRIDER_SCHEMA, and higher than
	// those before.
	versionSchema = "20261130"

	strangersShown = 5

	// moveTriesDefault is for locks that are held for up to 30 s: each try waits for two seconds at most.
	moveTriesDefault = 10
	movePause        = time.Second
)

// place is a schema as it was found.
type place struct {
	There            bool
	MayCreateSchema  bool
	MayCreateObjects bool
	Role             string
	Database         string
	HasApplications  bool
	Strangers        []string
	name             string
	versions         schemaVersions
}

// moveIn makes sure that migrations can be applied to the schema, before anything is created there.
func (m Migrator) moveIn(ctx context.Context, conn *pgx.Conn) error {
	p, err := lookAt(ctx, conn, m.Database.schema())
	if err != nil || p.isOurs() {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if p.name == schemaOld {
		return nil
	}
	old, err := lookAtOld(ctx, m.Database)
	if err != nil || !old.isOurs() {
		return err
	}
	// A release that knows POSTRIDER_SCHEMA uses public only if it is told to.
	if p.name != SchemaDefault || old.versions.isSince(versionSchema) {
		m.Log.Info("the Postrider in the schema public stays there; creating another one", "schema", p.name)
		return nil
	}
	return m.moveOld(ctx, conn, p.name)
}

// lookAt finds out about the connection's schema.
func lookAt(ctx context.Context, conn *pgx.Conn, schema string) (p place, err error) {
	p.name = schema
	if p.versions, err = appliedVersions(ctx, conn); err != nil {
		return p, err
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	interrupted := p.versions.exists && len(p.versions.applied) == 0
	err = conn.QueryRow(ctx, db.Preflight, schema, interrupted).Scan(&p.There, &p.MayCreateSchema, &p.MayCreateObjects,
		&p.Role, &p.Database, &p.HasApplications, &p.Strangers)
	if err != nil {
		return p, fmt.Errorf("look at schema %q: %w", schema, err)
	}
	return p, nil
}

func lookAtOld(ctx context.Context, d Database) (place, error) {
	d.Schema = schemaOld
	conn, err := connectForMigrations(ctx, d, pgx.QueryExecModeExec)
	if err != nil {
		return place{}, err
	}
	defer closeConn(ctx, conn)
	return lookAt(ctx, conn, d.Schema)
}

// isOurs reports whether a Postrider is in the schema. Others' objects may be beside it.
func (p place) isOurs() bool { return p.versions.ours() && p.HasApplications }

// check returns an error if the schema, in which there is no Postrider, cannot take one in.
func (p place) check() error {
	if n := len(p.Strangers); n > 0 {
		list := strings.Join(p.Strangers[:min(n, strangersShown)], ", ")
		if n > strangersShown {
			list += " and others"
		}
		return fmt.Errorf("schema %q is used by another program (%s); nothing was changed; choose another POSTRIDER_SCHEMA", p.name, list)
	}
	role := pgx.Identifier{p.Role}.Sanitize()
	switch {
	case !p.There && !p.MayCreateSchema:
		return fmt.Errorf("role %s may not create the schema %q; have an administrator of the database run: CREATE SCHEMA %s AUTHORIZATION %s",
			role, p.name, p.name, role)
	case p.There && !p.MayCreateObjects:
		return fmt.Errorf("role %s may not create tables in the schema %q; have its owner run: GRANT USAGE, CREATE ON SCHEMA %s TO %s",
			role, p.name, p.name, role)
	}
	return nil
}

// isSince reports whether a migration from the given version on is applied. Those that another program recorded in the
// same table do not count.
func (v schemaVersions) isSince(version string) bool {
	return slices.ContainsFunc(v.migrations(), func(m Migration) bool { return m.Applied && m.version() >= version })
}

// moveOld moves the installation in the schema public to another schema, which is empty or does not exist. It tries
// again while others use its tables.
func (m Migrator) moveOld(ctx context.Context, conn *pgx.Conn, schema string) error {
	for try := 1; ; try++ {
		err := m.tryMove(ctx, conn, schema)
		if err == nil {
			m.Log.Info("moved the tables and functions of an earlier release; producers call the functions in this schema", "from", schemaOld, "to", schema)
			return nil
		}
		if !isLocked(err) && !isRetryable(err) {
			return fmt.Errorf("move out of the schema public: %w", err)
		}
		holders := m.moveHolders(ctx, conn)
		if try >= m.moveTries {
			return fmt.Errorf("move out of the schema public: others use its tables (%s); nothing was changed; stop the processes of the earlier release and start again: %w",
				holders, err)
		}
		m.Log.Info("move out of the schema public waits for a lock; retrying", "holders", holders, "retry_in_ms", movePause.Milliseconds())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(movePause):
		}
	}
}

func (m Migrator) tryMove(ctx context.Context, conn *pgx.Conn, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	return transact(ctx, conn, func(t pgx.Tx) error {
		if _, err := queries.MigrateMovePrepareAnyTenant(ctx, t, db.MigrateMovePrepareAnyTenantParams{
			SchemaName: schema, Versions: versionsKnown(),
		}); err != nil {
			return err
		}
		_, err := t.Exec(ctx, db.Move)
		return err
	})
}

// moveHolders describes the sessions that use tables of the schema public, as far as Postgres tells us.
func (m Migrator) moveHolders(ctx context.Context, conn *pgx.Conn) string {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	holders, err := queries.MigrateMoveHoldersAnyTenant(ctx, conn)
	if err != nil || holders == nil || *holders == "" {
		return "none by now"
	}
	return *holders
}
