package e2e

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// newDatabase makes an empty database for this test alone and returns its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	ownProcesses(t)
	server, err := theBackend()
	if err != nil {
		t.Fatal(err)
	}
	database, err := createDatabase(server.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The processes are gone by now, but Postgres may still be ending their sessions.
		name := strings.TrimPrefix(mustParse(database).Path, "/")
		if err := administer(server.url, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return database
}

func createDatabase(server string) (string, error) {
	name := "e2e_" + random()
	if err := administer(server, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u := mustParse(server)
	u.Path = "/" + name
	return u.String(), nil
}

func administer(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func mustParse(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err) // these tests made it
	}
	return u
}

// random is part of a name that nobody else uses.
func random() string { return strings.ToLower(rand.Text()[:12]) }
