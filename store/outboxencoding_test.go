package store

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// newDatabaseIn creates a database in the given encoding and returns its URL.
func newDatabaseIn(t *testing.T, encoding string) string {
	t.Helper()
	outside, err := pgx.Connect(t.Context(), empty.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close(t.Context())
	u, err := url.Parse(outside.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "_" + strings.ToLower(encoding)
	create := "CREATE DATABASE " + strings.Trim(u.Path, "/") + " TEMPLATE template0 LOCALE 'C' ENCODING '" + encoding + "'"
	if _, err := outside.Exec(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), Database{URL: u.String()}); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// In a database of another encoding, a row may contain bytes that cannot be converted, or that are not text after
// they are read. It is put aside, and the rows after it are processed.
func TestOutboxInOtherEncodings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ database, client, reason string }{
		{"SQL_ASCII", "", "must be valid UTF-8"},
		{"SQL_ASCII", "UTF8", "invalid byte sequence"},
		{"WIN1252", "", "must be valid UTF-8"},
		{"WIN1252", "UTF8", "no equivalent in encoding"},
		{"LATIN1", "", "must be valid UTF-8"},
		{"LATIN1", "UTF8", ""}, // every byte is a character
	} {
		t.Run(test.database+" read as "+test.client, func(t *testing.T) {
			t.Parallel()
			database := newDatabaseIn(t, test.database)
			reading := database
			if test.client != "" {
				reading += "&client_encoding=" + test.client
			}
			w := &world{Store: openStore(t, reading, nil), t: t}
			w.app = w.addApplication(testOrg, "acme")
			// The client uses the encoding of the database, so that nothing is converted or checked.
			producer, err := pgx.Connect(t.Context(), database+"&client_encoding="+test.database)
			if err != nil {
				t.Fatal(err)
			}
			defer producer.Close(t.Context())
			for _, payload := range []string{`{"n": 1}`, "{\"n\": \"\x81\"}", `{"n": 3}`} {
				if _, err := producer.Exec(t.Context(), "SELECT message_send('acme', 'a', '"+payload+"', org_id => 'org_test')"); err != nil {
					t.Fatal(err)
				}
			}
			w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
			stored := w.payloadsStored()
			if !slices.Contains(stored, `{"n": 1}`) || !slices.Contains(stored, `{"n": 3}`) || (len(stored) == 3) != (test.reason == "") {
				t.Errorf("stored %q", stored)
			}
			if got := value[string](w, "SELECT coalesce(max(reason), '') FROM outbox_dead_letter"); !strings.Contains(got, test.reason) {
				t.Errorf("put aside because of %q, want %q", got, test.reason)
			}
			if left := w.inOutbox(); len(left) > 0 {
				t.Errorf("%d messages are left in the outbox", len(left))
			}
		})
	}
}
