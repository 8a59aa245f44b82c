package jobs

import (
	"context"
	"errors"
	"testing"
	"time"
)

// revocations is a table with a number of rows to delete, three at a time.
type revocations struct {
	rows int64
	err  error
}

func (r *revocations) TokenRevocationPrune(context.Context, time.Time) (int64, error) {
	some := min(r.rows, 3)
	r.rows -= some
	return some, r.err
}

func TestRevocationsAreForgottenUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	r := &revocations{rows: 10}
	if err := TokenRevocations(t.Context(), r, time.Now()); err != nil || r.rows != 0 {
		t.Errorf("%d rows are left, %v", r.rows, err)
	}
}

func TestARunThatFailsToForgetRevocationsSaysSo(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	if err := TokenRevocations(t.Context(), &revocations{rows: 10, err: away}, time.Now()); !errors.Is(err, away) {
		t.Errorf("%v, want %v", err, away)
	}
}
