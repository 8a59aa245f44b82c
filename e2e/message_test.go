package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestMessageIsReadBack(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app := c.NewApplication(t)
	sent := rig.Must(c.Message.Create(ctx, app, svix.MessageIn{
		EventType: "invoice.paid", EventId: new("event-1"), Channels: []string{"red"}, Payload: map[string]any{"amount": 42},
	}, nil))(t)
	for _, ref := range []string{sent.Id, "event-1"} {
		got := rig.Must(c.Message.Get(ctx, app, ref, nil))(t)
		if got.Id != sent.Id || got.EventType != "invoice.paid" || *got.EventId != "event-1" ||
			!slices.Equal(got.Channels, []string{"red"}) || got.Payload["amount"] != 42.0 || !got.Timestamp.Equal(sent.Timestamp) {
			t.Errorf("by %s: got %+v, want %+v", ref, got, sent)
		}
	}
	bare := rig.Must(c.Message.Get(ctx, app, sent.Id, &svix.MessageGetOptions{WithContent: new(false)}))(t)
	if len(bare.Payload) != 0 {
		t.Errorf("without content, got %v", bare.Payload)
	}
	_, err := c.Message.Get(ctx, app, "no-such-event", nil)
	rig.WantRefused(t, err, 404, "not_found")
}

func TestMessageEventIDIsUnique(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, other := c.NewApplication(t), c.NewApplication(t)
	in := svix.MessageIn{EventType: "invoice.paid", EventId: new("event-1"), Payload: map[string]any{}}
	rig.Must(c.Message.Create(ctx, app, in, nil))(t)
	_, err := c.Message.Create(ctx, app, in, nil)
	rig.WantRefused(t, err, 409, "conflict")
	rig.Must(c.Message.Create(ctx, other, in, nil))(t) // the id belongs to the other application
}

func TestMessageListFilters(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app := c.NewApplication(t)
	var ids []string
	for _, in := range []svix.MessageIn{
		{EventType: "a", Channels: []string{"red"}}, {EventType: "b"}, {EventType: "c", Channels: []string{"red", "blue"}},
		{EventType: "a"}, {EventType: "b", Channels: []string{"blue"}},
	} {
		in.Payload = map[string]any{}
		ids = append(ids, rig.Must(c.Message.Create(ctx, app, in, nil))(t).Id)
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
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var want []string
			for _, i := range test.want {
				want = append(want, ids[i])
			}
			slices.Sort(want)
			slices.Reverse(want) // newest first; in any order within an instant
			if got := listMessages(t, c, app, test.filter); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// listMessages follows the iterator to the last page.
func listMessages(t *testing.T, c rig.Client, app string, options svix.MessageListOptions) (ids []string) {
	t.Helper()
	options.Limit = new(uint64(2))
	// A page after an instant holds the oldest messages, so no other page can follow it: read it whole.
	if options.After != nil && options.Before == nil {
		options.Limit = nil
	}
	for {
		page := rig.Must(c.Message.List(t.Context(), app, &options))(t)
		for _, m := range page.Data {
			ids = append(ids, m.Id)
		}
		if page.Done {
			return ids
		}
		options.Iterator = page.Iterator
	}
}

func TestIdempotencyKeyDeliversOnce(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	options := &svix.MessageCreateOptions{IdempotencyKey: new("key-" + rig.Random())}
	in := svix.MessageIn{EventType: "invoice.paid", Payload: map[string]any{"amount": 1}}

	// Send them concurrently, so that some wait in the same statement and some in the next.
	answers := make([]*svix.MessageOut, 16)
	errs := make([]error, len(answers))
	var senders sync.WaitGroup
	for i := range answers {
		senders.Go(func() { answers[i], errs[i] = c.Message.Create(ctx, app, in, options) })
	}
	senders.Wait()
	for i, answer := range answers {
		rig.NoError(t, errs[i])
		if answer.Id != answers[0].Id || !answer.Timestamp.Equal(answers[0].Timestamp) {
			t.Errorf("two answers to one key: %s and %s", answer.Id, answers[0].Id)
		}
	}
	again := rig.Must(c.Message.Create(ctx, app, in, options))(t)
	stored := rig.Must(c.Message.Get(ctx, app, again.Id, nil))(t) // the SDK fills the answer's payload from the request
	if again.Id != answers[0].Id || stored.Payload["amount"] != 1.0 {
		t.Errorf("sent once more, the answer is %+v", again)
	}
	other := rig.Must(c.Message.Create(ctx, app, in, &svix.MessageCreateOptions{IdempotencyKey: new("key-" + rig.Random())}))(t)
	receiver.Await(t, again.Id, other.Id)
	c.AwaitAttempts(t, app, again.Id, 1)
	if got := len(receiver.All()); got != 2 {
		t.Errorf("%d webhooks arrived, want one of each key", got)
	}
}

func TestMessageCanBringItsApplication(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	uid := "acme-" + rig.Random()
	in := svix.MessageIn{EventType: "user.created", Payload: map[string]any{}}
	_, err := c.Message.Create(ctx, uid, in, nil)
	rig.WantRefused(t, err, 404, "not_found")
	in.Application = &svix.ApplicationIn{Name: "Acme", Uid: &uid}
	sent := rig.Must(c.Message.Create(ctx, uid, in, nil))(t)
	if got := rig.Must(c.Message.Get(ctx, uid, sent.Id, nil))(t); got.Id != sent.Id {
		t.Errorf("got %+v", got)
	}
}
