package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// SQLSTATEs we act on: https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"

	codeLocked          = "55P03" // a lock was not free within lock_timeout
	codeUndefinedTable  = "42P01"
	codeUndefinedColumn = "42703"
	codeCanceled        = "57014"
	codeForbidden       = "42501" // a privilege was revoked

	codeDiskFull           = "53100"
	codeTooManyConnections = "53300"

	classConnection = "08" // connection exception
	classLogin      = "28" // the password was changed, or the role may not log in
	classDatabase   = "3D" // the database was dropped
	classSchema     = "3F" // the schema was dropped
	classRollback   = "40" // a deadlock or a serialization failure, even after retries
	classResources  = "53" // disk full, too many connections
	classOperator   = "57" // shutting down, cancelled
	classSystem     = "58" // I/O error
	classData       = "22" // a value that cannot be stored
	classIntegrity  = "23" // a constraint is violated
	classLimit      = "54" // an index row too large
)

// constraints maps the constraints that a client can violate to the errors it gets.
var constraints = map[string]func() *core.Error{
	"application_org_id_uid_key": func() *core.Error {
		return core.Conflict("An application with that id or uid already exists")
	},
	"endpoint_app_id_uid_key": func() *core.Error { return core.Conflict("A conflict has occurred") },
	// The use case adds which task is running.
	"background_task_app_id_endpoint_id_task_running_key": func() *core.Error { return core.AnotherTaskRuns() },
}

// mapError converts an error of the driver to an error of core. It returns errors of core unchanged.
func mapError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return core.NotFound()
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if known, ok := constraints[e.ConstraintName]; ok {
			answer := known()
			answer.Err = err
			return answer
		}
		if hasClass(e, classData, classIntegrity, classLimit) {
			return core.Refused(e.Message, err)
		}
	}
	if isLocked(err) {
		return errLocked(err)
	}
	if isExhausted(err) {
		return core.Exhausted(err)
	}
	if isUnavailable(err) {
		return &core.Error{
			Kind: core.KindUnavailable, Code: codeUnavailable,
			Message: "The service cannot reach its database; try again.", Err: err,
		}
	}
	return err
}

// errLocked returns the error for rows that another transaction keeps locked. The database is otherwise healthy.
func errLocked(err error) *core.Error {
	e := core.TooBusy("Other requests or transactions have this locked; retry later")
	e.Err = err
	return e
}

// isLocked reports whether a statement waited too long for a lock.
func isLocked(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeLocked
}

// codeUnavailable is the code of errors that are returned while the database cannot be used.
const codeUnavailable = "unavailable"

// IsUnavailable reports whether err, which may come from any function of this package, means that the database is
// unreachable, shutting down or out of resources, so that the same call may succeed later. A database that refuses
// the login is not unavailable in this sense, nor is a pooler whose sessions lack settings: when a process starts, that
// means that the database URL or the role is wrong.
func IsUnavailable(err error) bool {
	if isMisled(err) {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !isPassing(e) {
		return false
	}
	return core.IsKind(mapError(err), core.KindUnavailable)
}

// isPassing reports whether the condition that Postgres reports ends without a change of its settings.
func isPassing(e *pgconn.PgError) bool {
	return isReadOnly(e) || hasClass(e, classConnection, classRollback, classResources, classOperator, classSystem)
}

// isShutOut reports whether Postgres no longer lets us use the database.
func isShutOut(e *pgconn.PgError) bool {
	return e.Code == codeForbidden || hasClass(e, classLogin, classDatabase, classSchema)
}

// isUnavailable reports whether the database is unreachable, shutting down, out of resources, or refuses to let us
// in. The same request may succeed later.
func isUnavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || isMisled(err) {
		return true // whatever the reason for refusing us
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isPassing(e) || isShutOut(e)
	}
	if _, ok := errors.AsType[*core.Error](err); ok {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) ||
		errors.Is(err, net.ErrClosed) || isUnexpectedEnd(err)
}

// isRefusal reports whether Postgres refused the content of one of the rows, or lacked memory or locks for all of
// them. Without that row, or with fewer rows, the statement may succeed.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (hasClass(e, classData, classIntegrity, classLimit) || isExhausted(err))
}

// isExhausted reports whether a statement needed more memory or locks than Postgres had left.
func isExhausted(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && hasClass(e, classResources) && e.Code != codeDiskFull && e.Code != codeTooManyConnections
}

// isBadData reports whether Postgres refused the data itself. A violated constraint that none of our checks
// covers is our mistake, not the sender's.
func isBadData(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && hasClass(e, classData, classLimit)
}

func hasClass(e *pgconn.PgError, classes ...string) bool {
	for _, class := range classes {
		if strings.HasPrefix(e.Code, class) {
			return true
		}
	}
	return false
}

// wrote checks that a statement about one row found that row.
func wrote(rows int64, err error) error {
	if err == nil && rows != 1 {
		if rows == 0 {
			return core.NotFound()
		}
		return fmt.Errorf("statement about one row wrote %d", rows)
	}
	return mapError(err)
}

// isUnexpectedEnd reports whether the server closed the connection in the middle of an exchange.
func isUnexpectedEnd(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
