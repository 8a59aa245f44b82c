package e2e

import (
	"fmt"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestMessageBatchOfThousandIsDelivered(t *testing.T) {
	t.Parallel()
	c, r := rig.Shared(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	messages := make([]string, 1000)
	for i := range messages {
		messages[i] = fmt.Sprintf(`{"eventType":"order.made","payload":{"n": %d}}`, i)
	}
	key := "batch-" + rig.Random()
	first := c.SendBatch(t, app, key, strings.Join(messages, ","))
	again := c.SendBatch(t, app, key, strings.Join(messages, ","))
	ids := make([]string, len(messages))
	for i, item := range first.Data {
		if item.Status != 202 || item.Message == nil || again.Data[i].Message == nil || again.Data[i].Message.ID != item.Message.ID {
			t.Fatalf("message %d: %+v, then %+v", i, item, again.Data[i])
		}
		ids[i] = item.Message.ID
	}
	r.Await(t, ids...)
	if duplicated, strange := r.Counts(ids); duplicated+strange != 0 {
		t.Errorf("%d arrived more than once, %d were never sent", duplicated, strange)
	}
	for i, id := range ids {
		if got, want := string(r.Of(id)[0].Body), fmt.Sprintf(`{"n": %d}`, i); got != want {
			t.Fatalf("message %d arrived as %s", i, got)
		}
	}
	listed := rig.Must(c.Message.List(t.Context(), app, &svix.MessageListOptions{Limit: new(uint64(250))}))(t).Data
	for i, m := range listed { // newest first
		if m.Id != ids[len(ids)-1-i] {
			t.Fatalf("message %d of the list is not message %d of the batch", i, len(ids)-1-i)
		}
	}
	c.Call(t, 422, "POST", "/api/v1/app/"+app+"/msg/batch", `{"messages":[`+strings.Repeat(`{},`, 1000)+`{}]}`)
}

func TestMessageBatchRefusesBadMessageAlone(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	got := c.SendBatch(t, app, "", `{"eventType":"a","payload":{},"eventId":"one"},{"eventType":"a","payload":{},"eventId":"one"},
		{"eventType":"a","payload":[]},"text",{"payload":{}},{"eventType":"a","payload":{"last":true}}`)
	for i, want := range []int{202, 409, 422, 422, 422, 202} {
		item := got.Data[i]
		if item.Status != want || (item.Message != nil) != (want == 202) || (item.Error != nil) != (want != 202) {
			t.Errorf("message %d: %+v, want status %d", i, item, want)
		}
	}
}
