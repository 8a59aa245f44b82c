package e2e

import (
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// payloads would be changed by decoding and encoding them.
var payloads = map[string]string{
	"white space":      "{ \"a\" :\t1 ,\r\n  \"b\":[ 1,2 , 3 ] }",
	"numbers":          `{"id":12345678901234567890123,"price":42.00,"tiny":1E-400,"minus":-0.0,"exponent":1e+2}`,
	"the order":        `{"z":1,"a":2,"M":3,"_":4,"aa":5}`,
	"names twice":      `{"a":1,"a":2}`,
	"escapes":          `{"a":"\u00e9\/\"\\\u0000\ud83d\ude00","b":"é/😀","html":"<a href='x'>&amp;</a>"}`,
	"a lone surrogate": `{"a":"\ud800"}`,
	"nothing":          `{}`,
	"deep":             `{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
	"a megabyte":       `{"a":"` + strings.Repeat("0123456789abcdef", 1<<16) + `"}`,
}

func TestPayloadArrivesByteForByte(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	for name, payload := range payloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				`{"eventType":"a","payload":` + payload + `}`,
				"\n{ \"payload\" :\t" + payload + "\n, \"eventType\":\"a\" }\n",
			} {
				var sent struct{ ID string }
				c.Call(t, 202, "POST", "/api/v1/app/"+app+"/msg?with_content=false", body).Decode(t, &sent)
				receiver.Await(t, sent.ID)
				if got := string(receiver.Of(sent.ID)[0].Body); got != payload {
					t.Errorf("got %s, want %s", rig.Tail(got), rig.Tail(payload))
				}
				// The API must return it unchanged as well.
				read := c.Call(t, 200, "GET", "/api/v1/app/"+app+"/msg/"+sent.ID, "")
				if !strings.Contains(string(read.Body), `"payload":`+payload) {
					t.Errorf("read back, got %s", rig.Tail(string(read.Body)))
				}
			}
		})
	}
}

func TestWebhookHasBothFamiliesOfHeaders(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	headers := map[string]string{"X-Tenant": "acme", "Authorization": "Bearer of the endpoint"}
	receiver.NewEndpointLike(t, c, app, svix.EndpointIn{Headers: &headers})
	id := c.SendMessage(t, app)
	receiver.Await(t, id) // the receiver verifies the webhook-* headers when the test ends
	got := receiver.Of(id)[0]

	onlySvix := http.Header{}
	for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
		onlySvix[name] = got.Header[name]
	}
	if err := rig.Must(svix.NewWebhook(receiver.Secret))(t).Verify(got.Body, onlySvix); err != nil {
		t.Errorf("Svix's library does not verify the svix-* headers %v: %v", onlySvix, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Tenant": "acme", "Authorization": "Bearer of the endpoint",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if agent := got.Header.Get("User-Agent"); !strings.HasPrefix(agent, "Postrider/") {
		t.Errorf("the user agent is %q", agent)
	}
}
