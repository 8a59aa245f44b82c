package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// versionFirst is the version of the first migration.
const versionFirst = "20261122000001"

// schemaVersions is what a table schema_migrations lists. It may be another program's.
type schemaVersions struct {
	exists  bool // as a table with versions
	applied []string
}

// querier is a connection, pool or transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// appliedVersions reads the table schema_migrations of the connection's schema.
func appliedVersions(ctx context.Context, conn querier) (schemaVersions, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	rows, _ := conn.Query(ctx, db.Applied) // CollectRows returns the error
	applied, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == codeUndefinedTable || e.Code == codeUndefinedColumn) {
		return schemaVersions{}, nil
	}
	if err != nil {
		return schemaVersions{}, fmt.Errorf("read schema_migrations: %w", err)
	}
	return schemaVersions{exists: true, applied: applied}, nil
}

// ours reports whether our migrations are among those of the table.
func (v schemaVersions) ours() bool { return slices.Contains(v.applied, versionFirst) }

// migrations returns all migrations that this release knows.
func (v schemaVersions) migrations() (list []Migration) {
	applied := map[string]bool{}
	for _, version := range v.applied {
		applied[version] = true
	}
	for _, file := range migrationFileNames() {
		m := Migration{File: file}
		m.Applied = applied[m.version()]
		list = append(list, m)
	}
	return list
}

// unknown returns the versions that this release does not know.
func (v schemaVersions) unknown() []string {
	known := versionsKnown()
	return slices.DeleteFunc(slices.Clone(v.applied), func(version string) bool { return slices.Contains(known, version) })
}

// versionsKnown returns the versions of all migrations that this release knows, in order.
func versionsKnown() (versions []string) {
	for _, file := range migrationFileNames() {
		versions = append(versions, Migration{File: file}.version())
	}
	return versions
}

// CheckSchema returns an error if migrations of this release are missing in the schema. A newer release may have
// migrated it, because that leaves the schema usable to this one; that is logged. It needs the right to read
// schema_migrations.
func (s *Store) CheckSchema(ctx context.Context) error {
	versions, err := appliedVersions(ctx, s.pool)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == codeForbidden {
		return fmt.Errorf("schema %q: %w; grant USAGE on the schema and SELECT on its table schema_migrations", s.schema, err)
	}
	if err != nil {
		return err
	}
	if behind := versions.pending(); behind > 0 {
		return fmt.Errorf("schema %q is %s behind; run postrider migrate up", s.schema, counted(behind, "migration"))
	}
	if newer := versions.newer(); newer > 0 {
		s.clock.log.Info("schema is newer than this release; starting anyway", "schema", s.schema, "newer_migrations", newer)
	}
	return nil
}

// SchemaBehind counts the migrations of this release that the schema lacks, because someone rolled them back since
// [Store.CheckSchema]. A schema that was dropped lacks all of them.
func (s *Store) SchemaBehind(ctx context.Context) (int, error) {
	versions, err := appliedVersions(ctx, s.pool)
	if err != nil {
		return 0, err
	}
	return versions.pending(), nil
}

// pending counts the migrations of this release that are not applied.
func (v schemaVersions) pending() (n int) {
	for _, m := range v.migrations() {
		if !m.Applied {
			n++
		}
	}
	return n
}

// newer counts the versions that are newer than this release. Another program's may be among them if it shares the
// table with us.
func (v schemaVersions) newer() (n int) {
	last := slices.Max(versionsKnown())
	for _, version := range v.unknown() {
		if version > last {
			n++
		}
	}
	return n
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
