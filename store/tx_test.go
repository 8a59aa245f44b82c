package store

import (
	"context"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestAFailedUnitOfWorkLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
		app := core.Application{OrgID: testOrg, ID: core.NewAppID(now()), Name: "half", Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now()}
		if err := tx.ApplicationInsert(ctx, app); err != nil {
			return err
		}
		return core.Forbidden()
	})
	if !core.IsKind(err, core.KindForbidden) {
		t.Errorf("the error of the work: %v", err)
	}
	if n := value[int](w, "SELECT count(*) FROM application"); n != 1 {
		t.Errorf("%d applications", n)
	}
}
