// Package db is the SQL: the migrations, the schema they add up to, and the Go that sqlc makes of
// queries/. Nothing in it is written by hand but this file, the migrations and the statements of
// migrating/; only package store may import it.
package db

import "embed"

// Migrations holds migrations/*.sql, as dbmate reads them.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// The statements that prepare and watch over a migration. sqlc cannot compile them, because they are about tables that
// migrations do not create or about any schema.
var (
	// Applied lists the versions in the migrations table.
	//
	//go:embed migrating/applied.sql
	Applied string

	// Preflight describes a schema.
	//
	//go:embed migrating/preflight.sql
	Preflight string

	// Move moves an installation out of the schema public.
	//
	//go:embed migrating/move.sql
	Move string

	// LockHeld reports whether a session holds the lock of the migrations.
	//
	//go:embed migrating/lock_held.sql
	LockHeld string
)
