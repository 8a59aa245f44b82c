package rig

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// NewDatabase makes an empty database for this test alone and returns its URL.
func NewDatabase(t testing.TB) string {
	t.Helper()
	NeedOwnProcesses(t)
	server, err := SharedBackend()
	if err != nil {
		t.Fatal(err)
	}
	database, err := createDatabase(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The processes are gone by now, but Postgres may still be ending their sessions.
		name := strings.TrimPrefix(MustParseURL(database).Path, "/")
		if err := AdministerDatabase(server.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return database
}

func createDatabase(server string) (string, error) {
	name := "e2e_" + Random()
	if err := AdministerDatabase(server, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u := MustParseURL(server)
	u.Path = "/" + name
	return u.String(), nil
}

// AdministerDatabase runs a statement on a server, as a superuser.
func AdministerDatabase(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// MustParseURL parses a URL that a test made.
func MustParseURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err) // these tests made it
	}
	return u
}

// Random is part of a name that nobody else uses.
func Random() string { return strings.ToLower(rand.Text()[:12]) }
