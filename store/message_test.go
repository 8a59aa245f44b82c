package store

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

// newLargeWorld has six messages with payloads of 1.5 MB each, attempted at one endpoint. A page holds two of them.
func newLargeWorld(t *testing.T) (w *world, endpoint core.Endpoint, ids []core.MessageID) {
	t.Helper()
	w = newWorld(t)
	endpoint = w.addEndpoint(nil)
	payload := `{"a":"` + strings.Repeat("a", 1_500_000) + `"}`
	messages := w.events(6, func(_ int, m *core.NewMessage) { m.Payload = &payload })
	for _, stored := range NewMessageInserter(w.Store, nil).MessageInsertMany(t.Context(), messages) {
		if stored.Err != nil {
			t.Fatal(stored.Err)
		}
		ids = append(ids, stored.Message.ID)
	}
	w.exec(`INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
		SELECT app_id, 'atmpt_' || substr(id, 5), id, $1, '', 0, 200, '', 1, 0, created_at FROM message`, endpoint.ID)
	slices.Sort(ids)
	slices.Reverse(ids)
	return w, endpoint, ids
}

// walk reads a list to its end and back. It returns the sizes of the pages and all items in display order.
func walk[T any](t *testing.T, bare bool, id func(T) core.MessageID, read func(core.Page) (core.List[T], error)) (forth, back []int, ids, idsBack []core.MessageID) {
	t.Helper()
	iterator := ""
	step := func() (l core.List[T], found []core.MessageID) {
		page, err := core.NewMessagePage(core.TimedPageIn{Iterator: iterator}, now())
		if err != nil {
			t.Fatal(err)
		}
		page.Bare = bare
		if l, err = read(page); err != nil {
			t.Fatal(err)
		}
		for _, item := range l.Data {
			found = append(found, id(item))
		}
		return l, found
	}
	for done := false; !done && len(forth) < 10; {
		l, found := step()
		forth, ids, done = append(forth, len(found)), append(ids, found...), l.Done
		if iterator = l.Next; iterator == "" && len(found) > 0 {
			iterator = string(found[len(found)-1])
		}
	}
	iterator = "-" + string(ids[len(ids)-1])
	for done := false; !done && len(back) < 10; {
		l, found := step()
		back, idsBack, done = append(back, len(found)), append(slices.Clone(found), idsBack...), l.Done
		if iterator = "-" + l.Previous; l.Previous == "" && len(found) > 0 {
			iterator = "-" + string(found[0])
		}
	}
	return forth, back, ids, idsBack
}

func TestPagesOfLargePayloadsAreShort(t *testing.T) {
	t.Parallel()
	w, endpoint, ids := newLargeWorld(t)
	service, scope := w.service(), core.Scope{OrgID: testOrg}
	for _, bare := range []bool{false, true} {
		check := func(list string, forth, back []int, got, gotBack []core.MessageID) {
			want, wantBack := []int{2, 2, 2}, []int{2, 2, 1}
			if bare {
				want, wantBack = []int{6}, []int{5}
			}
			if !slices.Equal(forth, want) && !slices.Equal(forth, append(want, 0)) || !slices.Equal(back, wantBack) && !slices.Equal(back, append(wantBack, 0)) {
				t.Errorf("%s, bare %t: pages of %v, and back %v", list, bare, forth, back)
			}
			if !slices.Equal(got, ids) || !slices.Equal(gotBack, ids[:5]) {
				t.Errorf("%s, bare %t: got %v, and back %v, of %v", list, bare, got, gotBack, ids)
			}
		}
		holds := func(m core.Message) core.MessageID {
			if (m.Payload == nil) != bare || m.Payload != nil && len(*m.Payload) < 1_500_000 {
				t.Errorf("bare %t, and the payload is read: %t", bare, m.Payload != nil)
			}
			return m.ID
		}
		forth, back, got, gotBack := walk(t, bare, holds, func(p core.Page) (core.List[core.Message], error) {
			return service.MessageList(t.Context(), scope, "acme", core.MessageFilter{}, p)
		})
		check("messages", forth, back, got, gotBack)
		forth, back, got, gotBack = walk(t, bare, func(m core.AttemptedMessage) core.MessageID { return holds(m.Message) },
			func(p core.Page) (core.List[core.AttemptedMessage], error) {
				return service.AttemptedMessageList(t.Context(), scope, "acme", string(endpoint.ID), core.AttemptedMessageFilter{}, p)
			})
		check("attempted messages", forth, back, got, gotBack)
	}
}

func TestMessageIsFoundWithoutItsPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.event(func(m *core.NewMessage) { m.EventID = new("order-1") })
	if stored := NewMessageInserter(w.Store, nil).MessageInsertMany(t.Context(), []core.NewMessage{m}); stored[0].Err != nil {
		t.Fatal(stored[0].Err)
	}
	for _, ref := range []string{string(m.ID), "order-1"} {
		whole, err := w.MessageGet(t.Context(), w.app.ID, ref)
		if err != nil {
			t.Fatal(err)
		}
		bare, err := w.MessageGetBare(t.Context(), w.app.ID, ref)
		if err != nil || bare.Payload != nil {
			t.Errorf("%s: %v, payload read: %t", ref, err, bare.Payload != nil)
		}
		if bare.Payload = whole.Payload; !reflect.DeepEqual(bare, whole) {
			t.Errorf("%s: %+v, want %+v", ref, bare, whole)
		}
	}
	for _, ref := range []string{string(core.NewMessageID(now())), "order-2"} {
		if _, err := w.MessageGetBare(t.Context(), w.app.ID, ref); !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
