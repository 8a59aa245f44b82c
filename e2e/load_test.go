package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"

	"github.com/postrider/postrider/e2e/rig"
)

func TestMessagesByTheThousandAreDeliveredOnceEach(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	p, s := rig.Serve(t)
	l := &rig.Load{Client: s.NewTenant(t), Messages: 4000, Senders: 32}
	l.App = l.NewApplication(t)
	receiver := rig.NewReceiver(t, nil)
	endpoint := receiver.NewEndpoint(t, l.Client, l.App)
	l.Run(t.Context())
	ids := l.Complete(t)
	receiver.Await(t, ids...)
	p.Stop(t) // the process has recorded the attempts in progress
	if duplicated, strange := receiver.Counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}

	// The records agree: nothing is owed any more, or another process would send it after the lease.
	reader := rig.Start(t, append(p.Settings(), "POSTRIDER_LISTEN=127.0.0.1:0"), "api")
	l.Client = rig.NewClient(t, reader.Service(t).URL, l.Token)
	if got := succeeded(t, l.Client, l.App, endpoint); len(got) != len(ids) || !containsAll(got, ids) {
		t.Errorf("%d successful attempts are on record, want one for each of %d messages", len(got), len(ids))
	}
}

// succeeded returns the message of each successful attempt at an endpoint.
func succeeded(t testing.TB, c rig.Client, app, endpoint string) (messages []string) {
	t.Helper()
	options := svix.MessageAttemptListByEndpointOptions{
		Limit: new(uint64(250)), Status: new(models.MESSAGESTATUS_SUCCESS), WithContent: new(false),
	}
	for {
		page := rig.Must(c.MessageAttempt.ListByEndpoint(t.Context(), app, endpoint, &options))(t)
		for _, a := range page.Data {
			messages = append(messages, a.MsgId)
		}
		if page.Done {
			return messages
		}
		options.Iterator = page.Iterator
	}
}

func TestMessageGoesToThousandEndpoints(t *testing.T) {
	t.Parallel()
	const endpoints = 1000
	c := rig.Shared(t).NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	body, err := json.Marshal(map[string]string{"url": receiver.URL, "secret": receiver.Secret})
	rig.NoError(t, err)
	var failed atomic.Int64
	var makers sync.WaitGroup
	for range 10 {
		makers.Go(func() {
			for range endpoints / 10 {
				answer, err := c.Do(t.Context(), http.MethodPost, "/api/v1/app/"+app+"/endpoint", string(body))
				if err != nil || answer.Status != http.StatusCreated {
					failed.Add(1)
				}
			}
		})
	}
	makers.Wait()
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d endpoints could not be made", n)
	}

	id := c.SendMessage(t, app)
	rig.Await(t, func() string {
		if n := len(receiver.All()); n < endpoints {
			return fmt.Sprintf("%d of %d webhooks have arrived", n, endpoints)
		}
		return ""
	})
	seen := map[string]bool{}
	for _, a := range allAttempts(t, c, app, id, endpoints) {
		seen[a.EndpointId] = true
	}
	if len(seen) != endpoints || len(receiver.Of(id)) != endpoints {
		t.Errorf("%d endpoints have an attempt and %d webhooks arrived, want %d of each", len(seen), len(receiver.Of(id)), endpoints)
	}
}

// allAttempts waits until a message has n attempts, which are more than a page, and returns them.
func allAttempts(t testing.TB, c rig.Client, app, message string, n int) (all []svix.MessageAttemptOut) {
	t.Helper()
	rig.Await(t, func() string {
		all = nil
		options := svix.MessageAttemptListByMsgOptions{Limit: new(uint64(250))}
		for {
			page := rig.Must(c.MessageAttempt.ListByMsg(t.Context(), app, message, &options))(t)
			all = append(all, page.Data...)
			if page.Done {
				break
			}
			options.Iterator = page.Iterator
		}
		if len(all) < n {
			return fmt.Sprintf("%d of %d attempts are on record", len(all), n)
		}
		return ""
	})
	return all
}
