package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

func TestReadyLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if n := value[int](w, "SELECT count(*) FROM idempotency_key"); n > 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestReadyFailsWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
	w.pools.reset()
	err := w.Ready(t.Context())
	if cause, away := OutageCause(err); !away || cause != codeReadOnly {
		t.Errorf("not ready by %q: %v; want %s", cause, err, codeReadOnly)
	}
	if err := w.Ping(t.Context()); err != nil {
		t.Errorf("the database answers: %v", err)
	}
}

func TestOutageCauseIsOfTheDatabaseAlone(t *testing.T) {
	t.Parallel()
	of := func(code string) error {
		return fmt.Errorf("claim: %w", mapError(&pgconn.PgError{Code: code}))
	}
	for name, try := range map[string]struct {
		err  error
		want string
	}{
		"shut down":        {of("57P01"), "57P01"},
		"password":         {of("28P01"), "28P01"},
		"no answer":        {mapError(context.DeadlineExceeded), causeNoAnswer},
		"unreachable":      {mapError(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), causeUnreachable},
		"deadlock":         {of(codeDeadlock), ""},
		"statement ended":  {of(codeCanceled), ""},
		"our mistake":      {of("42601"), ""},
		"too many at once": {errShareFull, ""},
		"a broker":         {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, ""},
		"not found":        {core.NotFound(), ""},
		"nothing":          {nil, ""},
	} {
		cause, away := OutageCause(try.err)
		if away != (try.want != "") || away && cause != try.want {
			t.Errorf("%s: %q, %t; want %q", name, cause, away, try.want)
		}
	}
}
