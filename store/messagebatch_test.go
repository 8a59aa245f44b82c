package store

import (
	"fmt"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestABatchIsOneStatementWithAnAnswerForEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	inserter := NewMessageInserter(w.Store, nil)
	messages := make([]core.NewMessage, core.BatchMost)
	for i := range messages {
		messages[i] = w.event(func(m *core.NewMessage) { m.KeyHash = fmt.Appendf(nil, "%032d", i) })
	}
	messages[3].EventID, messages[4].EventID = new("same"), new("same")
	messages[3].ID, messages[4].ID = min(messages[3].ID, messages[4].ID), max(messages[3].ID, messages[4].ID)
	messages[5].Payload = new("\x00") // Postgres refuses this
	stored := inserter.MessageInsertMany(t.Context(), messages)
	for i, s := range stored {
		switch {
		case i == 4 && !core.IsKind(s.Err, core.KindConflict), i == 5 && s.Err == nil:
			t.Errorf("message %d: %v", i, s.Err)
		case i != 4 && i != 5 && (s.Err != nil || s.Message.ID != messages[i].ID || s.Message.AppID != w.app.ID):
			t.Errorf("message %d: %+v, %v", i, s.Message, s.Err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != core.BatchMost-2 {
		t.Errorf("%d deliveries", n)
	}
	for i := range messages { // sent again
		messages[i].ID = core.NewMessageID(now())
	}
	for i, again := range inserter.MessageInsertMany(t.Context(), messages) {
		if i != 4 && i != 5 && again.Message.ID != stored[i].Message.ID {
			t.Errorf("message %d: %s, then %s, %v", i, stored[i].Message.ID, again.Message.ID, again.Err)
		}
	}
	if none := inserter.MessageInsertMany(t.Context(), nil); len(none) != 0 {
		t.Errorf("no messages: %v", none)
	}
}
