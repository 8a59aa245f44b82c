// Package db is the SQL: the migrations, the schema they add up to, and the Go that sqlc makes of
// queries/. Nothing in it is written by hand but this file and the migrations; only package store
// may import it.
package db

import "embed"

// Migrations holds migrations/*.sql, as dbmate reads them.
//
//go:embed migrations/*.sql
var Migrations embed.FS
