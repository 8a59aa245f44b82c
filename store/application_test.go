package store

import (
	"context"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestAnApplicationIsItsOrganisationsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, ref := range []string{string(w.app.ID), "acme"} {
		if got, err := w.ApplicationGet(t.Context(), testOrg, ref); err != nil || got.ID != w.app.ID {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
		if _, err := w.ApplicationGet(t.Context(), "org_other", ref); !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s read by another organisation: %v", ref, err)
		}
	}
	err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, "org_other", w.app.ID, now())
	})
	if !core.IsKind(err, core.KindNotFound) {
		t.Errorf("deleted by another organisation: %v", err)
	}
}

func TestAUIDIsTakenOnceAndFreeAfterDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again := core.Application{OrgID: testOrg, ID: core.NewAppID(now()), UID: w.app.UID, Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now()}
	insert := func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, again) }
	if err := w.InTx(t.Context(), insert); !core.IsKind(err, core.KindConflict) {
		t.Errorf("taken: %v", err)
	}
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, testOrg, w.app.ID, now())
	})
	w.in(insert)
}
