package localpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const pollInterval = 10 * time.Millisecond

// poll returns nil as soon as done returns true.
func poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
	return nil
}

// socketPatience is the time until the socket exists, which takes a tenth of a second on an idle machine. After that,
// only the context limits recovery after a crash.
const socketPatience = time.Minute

func (s *Server) awaitReady(ctx context.Context) error {
	var refusal error
	begin := time.Now()
	err := poll(ctx, func() bool {
		refusal = s.tryConnect(ctx)
		return refusal == nil || s.hasExited() || !isTemporary(refusal, time.Since(begin))
	})
	switch {
	case err != nil:
		return fmt.Errorf("waiting until it accepts connections: %w", err)
	case s.hasExited():
		return fmt.Errorf("postgres ended (%w): %s", s.exit, s.output.lines())
	case refusal != nil:
		return fmt.Errorf("connecting: %w", refusal)
	}
	return nil
}

func (s *Server) hasExited() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// tryConnect succeeds when the database exists.
func (s *Server) tryConnect(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if hasCode(err, "3D000") { // invalid_catalog_name: the cluster is new
		return s.createDatabase(ctx)
	}
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// isTemporary reports whether a refusal may pass: the server is starting up or, for a while, does not answer. Every
// other refusal is final.
func isTemporary(refusal error, waited time.Duration) bool {
	if answer, ok := errors.AsType[*pgconn.PgError](refusal); ok {
		return answer.Code == "57P03" // cannot_connect_now
	}
	return waited < socketPatience
}

func hasCode(err error, code string) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == code
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("connecting to create the database: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+database); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	return nil
}
