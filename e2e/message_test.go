package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

func TestMessageIsReadBack(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app := c.application(t)
	sent := must(c.Message.Create(ctx, app, svix.MessageIn{
		EventType: "invoice.paid", EventId: new("event-1"), Channels: []string{"red"}, Payload: map[string]any{"amount": 42},
	}, nil))(t)
	for _, ref := range []string{sent.Id, "event-1"} {
		got := must(c.Message.Get(ctx, app, ref, nil))(t)
		if got.Id != sent.Id || got.EventType != "invoice.paid" || *got.EventId != "event-1" ||
			!slices.Equal(got.Channels, []string{"red"}) || got.Payload["amount"] != 42.0 || !got.Timestamp.Equal(sent.Timestamp) {
			t.Errorf("by %s: got %+v, want %+v", ref, got, sent)
		}
	}
	bare := must(c.Message.Get(ctx, app, sent.Id, &svix.MessageGetOptions{WithContent: new(false)}))(t)
	if len(bare.Payload) != 0 {
		t.Errorf("without content, got %v", bare.Payload)
	}
	_, err := c.Message.Get(ctx, app, "no-such-event", nil)
	refused(t, err, 404, "not_found")
}

func TestEventIDIsTakenOnce(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, other := c.application(t), c.application(t)
	in := svix.MessageIn{EventType: "invoice.paid", EventId: new("event-1"), Payload: map[string]any{}}
	must(c.Message.Create(ctx, app, in, nil))(t)
	_, err := c.Message.Create(ctx, app, in, nil)
	refused(t, err, 409, "conflict")
	must(c.Message.Create(ctx, other, in, nil))(t) // it is another application's own
}

func TestMessagesAreListedAndFiltered(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app := c.application(t)
	var ids []string
	for _, in := range []svix.MessageIn{
		{EventType: "a", Channels: []string{"red"}}, {EventType: "b"}, {EventType: "c", Channels: []string{"red", "blue"}},
		{EventType: "a"}, {EventType: "b", Channels: []string{"blue"}},
	} {
		in.Payload = map[string]any{}
		ids = append(ids, must(c.Message.Create(ctx, app, in, nil))(t).Id)
	}
	future, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, test := range []struct {
		name   string
		filter svix.MessageListOptions
		want   []int
	}{
		{"all", svix.MessageListOptions{}, []int{0, 1, 2, 3, 4}},
		{"of a channel", svix.MessageListOptions{Channel: new("red")}, []int{0, 2}},
		{"of some types", svix.MessageListOptions{EventTypes: &[]string{"a", "c"}}, []int{0, 2, 3}},
		{"of a type in a channel", svix.MessageListOptions{EventTypes: &[]string{"a", "b"}, Channel: new("blue")}, []int{4}},
		{"after", svix.MessageListOptions{After: &past}, []int{0, 1, 2, 3, 4}},
		{"before", svix.MessageListOptions{Before: &past}, nil},
		{"between", svix.MessageListOptions{After: &past, Before: &future}, []int{0, 1, 2, 3, 4}},
	} {
		var want []string
		for _, i := range test.want {
			want = append(want, ids[i])
		}
		slices.Sort(want)
		slices.Reverse(want) // the newest first, and of one instant any
		if got := listMessages(t, c, app, test.filter); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", test.name, got, want)
		}
	}
}

// listMessages follows the iterator to the end.
func listMessages(t *testing.T, c client, app string, options svix.MessageListOptions) (ids []string) {
	t.Helper()
	options.Limit = new(uint64(2))
	// A page after an instant is the oldest there is, so that nothing can follow it: take it whole.
	if options.After != nil && options.Before == nil {
		options.Limit = nil
	}
	for {
		page := must(c.Message.List(t.Context(), app, &options))(t)
		for _, m := range page.Data {
			ids = append(ids, m.Id)
		}
		if page.Done {
			return ids
		}
		options.Iterator = page.Iterator
	}
}

func TestIdempotencyKeyIsAnsweredOnceAndDeliveredOnce(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, receiver := c.application(t), newReceiver(t, nil)
	receiver.endpoint(t, c, app)
	options := &svix.MessageCreateOptions{IdempotencyKey: new("key-" + random())}
	in := svix.MessageIn{EventType: "invoice.paid", Payload: map[string]any{"amount": 1}}

	// At once, so that some wait in the same statement and some in the next.
	answers := make([]*svix.MessageOut, 16)
	errs := make([]error, len(answers))
	var senders sync.WaitGroup
	for i := range answers {
		senders.Go(func() { answers[i], errs[i] = c.Message.Create(ctx, app, in, options) })
	}
	senders.Wait()
	for i, answer := range answers {
		done(t, errs[i])
		if answer.Id != answers[0].Id || !answer.Timestamp.Equal(answers[0].Timestamp) {
			t.Errorf("two answers to one key: %s and %s", answer.Id, answers[0].Id)
		}
	}
	again := must(c.Message.Create(ctx, app, in, options))(t)
	stored := must(c.Message.Get(ctx, app, again.Id, nil))(t) // the SDK puts into the answer what it sent
	if again.Id != answers[0].Id || stored.Payload["amount"] != 1.0 {
		t.Errorf("sent once more, the answer is %+v", again)
	}
	other := must(c.Message.Create(ctx, app, in, &svix.MessageCreateOptions{IdempotencyKey: new("key-" + random())}))(t)
	receiver.await(t, again.Id, other.Id)
	c.attempts(t, app, again.Id, 1)
	if got := len(receiver.all()); got != 2 {
		t.Errorf("%d webhooks arrived, want one of each key", got)
	}
}

func TestMessageCanBringItsApplication(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	uid := "acme-" + random()
	in := svix.MessageIn{EventType: "user.created", Payload: map[string]any{}}
	_, err := c.Message.Create(ctx, uid, in, nil)
	refused(t, err, 404, "not_found")
	in.Application = &svix.ApplicationIn{Name: "Acme", Uid: &uid}
	sent := must(c.Message.Create(ctx, uid, in, nil))(t)
	if got := must(c.Message.Get(ctx, uid, sent.Id, nil))(t); got.Id != sent.Id {
		t.Errorf("got %+v", got)
	}
}
