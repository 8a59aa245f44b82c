package core_test

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestMessageCreateManyHasAKeyForEach(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	one := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`{}`)}}
	bad := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`[]`)}}
	var ids [2][]core.MessageID
	for i := range ids {
		stored, err := service.MessageCreateMany(t.Context(), scope, "acme", []core.BatchIn{one, bad, one}, "k")
		if err != nil || stored[1].Err == nil {
			t.Fatal(stored, err)
		}
		ids[i] = []core.MessageID{stored[0].Message.ID, stored[2].Message.ID}
	}
	if !slices.Equal(ids[0], ids[1]) || ids[0][0] >= ids[0][1] || len(store.Messages) != 2 {
		t.Errorf("stored %v, then %v", ids[0], ids[1])
	}
}
