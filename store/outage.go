package store

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// Causes of an outage that have no SQLSTATE.
const (
	causeUnreachable = "unreachable"
	causeNoAnswer    = "no answer"
	causeSettings    = "settings" // see [SessionSettings]
)

// OutageCause returns why the database cannot be used if err, which a function of this package returned, indicates an
// outage. The cause is the SQLSTATE that Postgres returned, or says that Postgres did not answer. An error that ends
// one statement, such as a deadlock or a timeout in Postgres, is not an outage. Neither are errors of other services,
// which may be unreachable as well.
func OutageCause(err error) (cause string, ok bool) {
	if e, ok := errors.AsType[*core.Error](err); !ok || e.Code != codeUnavailable {
		return "", false
	}
	if isMisled(err) {
		return causeSettings, true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code, e.Code != codeCanceled && !hasClass(e, classRollback)
	}
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return causeNoAnswer, true
	}
	return causeUnreachable, true
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// readyTimeout is far more time than a healthy database needs.
const readyTimeout = 5 * time.Second

// errUndone rolls back a transaction that must leave nothing behind.
var errUndone = errors.New("undone")

// codeLimited is the SQLSTATE for exceeding temp_file_limit.
const codeLimited = "53400"

// isLimited reports whether the role may not write temporary files, which nothing else needs.
func isLimited(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeLimited
}

// Ready checks that the database accepts writes and has space for them: it writes a row and rolls that back. A
// database that merely answers may be a standby or have a full disk.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	key := make([]byte, 32)
	rand.Read(key) // never returns an error; it crashes the process instead
	err := transact(ctx, s.pool, func(t pgx.Tx) error {
		_, err := queries.IdempotencyKeyClaim(ctx, t, db.IdempotencyKeyClaimParams{
			OrgID: "", KeyHash: key, Now: s.Now(), KeysSince: time.Time{},
		})
		if err != nil {
			return err
		}
		if _, err := queries.ServerSpaceAnyTenant(ctx, t); err != nil && !isLimited(err) {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return mapError(err)
}
