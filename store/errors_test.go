package store

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// A deadlock that recurs on every retry is not a defect, and the request may succeed later. It used to be answered as
// an internal error.
func TestWhatMaySucceedLaterIsUnavailable(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		codeDeadlock: true, codeSerialization: true, "57P01": true, "53300": true, "08006": true,
		codeReadOnly: true, "28P01": true, "28000": true, "3D000": true, "3F000": true, codeForbidden: true,
		"42P01": false, "23505": false, "22021": false,
	} {
		err := mapError(fmt.Errorf("in a unit of work: %w", &pgconn.PgError{Code: code}))
		if got := core.IsKind(err, core.KindUnavailable); got != want {
			t.Errorf("%s: unavailable %t", code, got)
		}
	}
}
