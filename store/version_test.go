package store

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// fakeServer is a server of the given version. It knows the statements that run before the version is checked, and
// answers every other statement with an error.
func fakeServer(t *testing.T, version int) (databaseURL string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := serveVersion(conn, version); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}()
		}
	}()
	return "postgres://postrider@" + l.Addr().String() + "/postrider?sslmode=disable"
}

// serveVersion serves a connection until it ends.
func serveVersion(conn net.Conn, version int) error {
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	var last answer
	for {
		if err := b.Flush(); err != nil {
			return err
		}
		message, err := b.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.Parse:
			if last, err = answerTo(m.Query, version); err != nil {
				return err
			}
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.ParameterDescription{ParameterOIDs: last.parameters})
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("value"), DataTypeOID: last.column, Format: pgtype.BinaryFormatCode}}})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			b.Send(&pgproto3.DataRow{Values: [][]byte{last.value}})
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return nil
		default:
			return errors.New("a server that is refused was asked something")
		}
	}
}

// answer is the single value that a query returns.
type answer struct {
	parameters []uint32
	column     uint32
	value      []byte
}

// answerTo answers the queries that are made before a server is used and, if the version is accepted, the one for its
// time.
func answerTo(query string, version int) (answer, error) {
	switch {
	case strings.Contains(query, "set_config"):
		return answer{[]uint32{pgtype.TextArrayOID, pgtype.TextArrayOID}, pgtype.TextOID, []byte("postrider, pg_temp")}, nil
	case strings.Contains(query, "server_version_num"):
		return answer{nil, pgtype.Int4OID, binary.BigEndian.AppendUint32(nil, uint32(version))}, nil
	case strings.Contains(query, "clock_timestamp") && version >= versionMin && version != versionCrashing:
		return answer{nil, pgtype.TimestamptzOID, make([]byte, 8)}, nil // in the year 2000
	}
	return answer{}, errors.New("a server that is refused was asked: " + query)
}

// TestServerThatCannotBeUsedIsRefused: it is refused before anything is changed on it, by everything that connects.
func TestServerThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	const crashes = "Postgres 18.0 crashes on the statement that claims deliveries; use 18.1 or newer"
	for version, want := range map[int]string{
		90624:  "Postgres 9 is too old; use 15 or newer",
		120022: "Postgres 12 is too old; use 15 or newer",
		140099: "Postgres 14 is too old; use 15 or newer",
		180000: crashes, // its betas and release candidates report the same number
	} {
		databaseURL := fakeServer(t, version)
		_, open := Open(t.Context(), Config{Database: Database{URL: databaseURL}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
		_, status := MigrateStatus(t.Context(), Database{URL: databaseURL})
		for name, err := range map[string]error{
			"open": open, "migrate up": Migrate(t.Context(), Database{URL: databaseURL}), "migrate down": MigrateDown(t.Context(), Database{URL: databaseURL}),
			"migrate status": status,
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%d, %s: %v", version, name, err)
			}
		}
	}
}

func TestServerThatCanBeUsedIsNotRefused(t *testing.T) {
	t.Parallel()
	for _, version := range []int{150000, 150018, 170006, 179999, 180001, 180004, 190000} {
		s, err := Open(t.Context(), Config{Database: Database{URL: fakeServer(t, version)}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%d: %v", version, err)
			continue
		}
		s.Close()
	}
}
