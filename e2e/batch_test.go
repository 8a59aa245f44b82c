package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// batchAnswer is what a batch is answered with.
type batchAnswer struct {
	Data []struct {
		Status  int
		Message *struct{ ID, EventType string }
		Error   map[string]any
	}
}

// batch sends messages in one request, with a key if there is one.
func (c client) batch(t testing.TB, app, key, messages string) batchAnswer {
	t.Helper()
	request := must(http.NewRequestWithContext(t.Context(), http.MethodPost,
		c.url+"/api/v1/app/"+app+"/msg/batch", strings.NewReader(`{"messages":[`+messages+`]}`)))(t)
	request.Header.Set("Authorization", "Bearer "+c.token)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	r := must(readResponse(httpClient.Do(request)))(t)
	if r.status != http.StatusAccepted {
		t.Fatalf("status %d: %s", r.status, tail(string(r.body)))
	}
	var out batchAnswer
	r.decode(t, &out)
	return out
}

func TestABatchOfAThousandIsDelivered(t *testing.T) {
	t.Parallel()
	c, r := shared(t).tenant(t), newReceiver(t, nil)
	app := c.application(t)
	r.endpoint(t, c, app)
	messages := make([]string, 1000)
	for i := range messages {
		messages[i] = fmt.Sprintf(`{"eventType":"order.made","payload":{"n": %d}}`, i)
	}
	key := "batch-" + random()
	first := c.batch(t, app, key, strings.Join(messages, ","))
	again := c.batch(t, app, key, strings.Join(messages, ","))
	ids := make([]string, len(messages))
	for i, item := range first.Data {
		if item.Status != 202 || item.Message == nil || again.Data[i].Message == nil || again.Data[i].Message.ID != item.Message.ID {
			t.Fatalf("message %d: %+v, then %+v", i, item, again.Data[i])
		}
		ids[i] = item.Message.ID
	}
	r.await(t, ids...)
	if duplicated, strange := r.counts(ids); duplicated+strange != 0 {
		t.Errorf("%d arrived more than once, %d were never sent", duplicated, strange)
	}
	for i, id := range ids {
		if got, want := string(r.of(id)[0].body), fmt.Sprintf(`{"n": %d}`, i); got != want {
			t.Fatalf("message %d arrived as %s", i, got)
		}
	}
	listed := must(c.Message.List(t.Context(), app, &svix.MessageListOptions{Limit: new(uint64(250))}))(t).Data
	for i, m := range listed { // the last one first
		if m.Id != ids[len(ids)-1-i] {
			t.Fatalf("message %d of the list is not message %d of the batch", i, len(ids)-1-i)
		}
	}
	c.call(t, 422, "POST", "/api/v1/app/"+app+"/msg/batch", `{"messages":[`+strings.Repeat(`{},`, 1000)+`{}]}`)
}

func TestABadMessageOfABatchIsRefusedAlone(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	got := c.batch(t, app, "", `{"eventType":"a","payload":{},"eventId":"one"},{"eventType":"a","payload":{},"eventId":"one"},
		{"eventType":"a","payload":[]},"text",{"payload":{}},{"eventType":"a","payload":{"last":true}}`)
	for i, want := range []int{202, 409, 422, 422, 422, 202} {
		item := got.Data[i]
		if item.Status != want || (item.Message != nil) != (want == 202) || (item.Error != nil) != (want != 202) {
			t.Errorf("message %d: %+v, want status %d", i, item, want)
		}
	}
}
