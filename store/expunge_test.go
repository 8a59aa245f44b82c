package store

import (
	"context"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestPayloadsAreExpunged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.addApplication("org_other", "other")
	w.addEndpoint(nil)
	m, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.EventID = new("order-1") }))
	if err != nil {
		t.Fatal(err)
	}
	refs := []string{"none", "order-1", string(m.ID)}
	expunge := func(app core.AppID) (there []string) {
		w.in(func(ctx context.Context, tx core.Tx) (err error) {
			there, err = tx.MessageExpungeMany(ctx, app, refs)
			return err
		})
		return there
	}
	if there := expunge(other.ID); len(there) != 0 || value[int](w, "SELECT count(*) FROM message WHERE payload IS NULL") != 0 {
		t.Errorf("another application expunged %v", there)
	}
	if there := expunge(w.app.ID); !slices.Equal(there, refs[2:]) && !slices.Equal(there, []string{string(m.ID), "order-1"}) {
		t.Errorf("expunged %v", there)
	}
	if claimed := w.claim(room()); len(claimed) != 0 || len(w.owed()) != 0 {
		t.Errorf("claimed %+v, still owed %v", claimed, w.owed())
	}
}
