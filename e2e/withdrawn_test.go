package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// withdrawals are the ways in which what is owed to an endpoint is owed no more.
var withdrawals = map[string]func(context.Context, *withdrawal) error{
	"endpoint deleted": func(ctx context.Context, w *withdrawal) error {
		return w.Endpoint.Delete(ctx, w.app, w.endpoint)
	},
	"endpoint disabled": func(ctx context.Context, w *withdrawal) error {
		_, err := w.Endpoint.Patch(ctx, w.app, w.endpoint, svix.EndpointPatch{Disabled: new(true)})
		return err
	},
	"application deleted": func(ctx context.Context, w *withdrawal) error {
		return w.Application.Delete(ctx, w.app)
	},
	"payloads expunged": func(ctx context.Context, w *withdrawal) error {
		body := `{"ids":["` + strings.Join(w.ids, `","`) + `"]}`
		r, err := w.send(ctx, http.MethodPost, "/api/v1/app/"+w.app+"/msg/bulk-expunge", body)
		if err == nil && r.status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", r.status, r.body)
		}
		return err
	},
}

// TestWithdrawnDeliveriesAreNotMade: deliveries wait, and some are under way, when they are withdrawn.
// Those under way may arrive, and with them what the process begins until it hears of it, each of them
// once; then nothing more. Others get all of theirs. If the process is killed at that moment, nobody makes up
// for what was under way.
func TestWithdrawnDeliveriesAreNotMade(t *testing.T) {
	t.Parallel()
	for name, withdraw := range withdrawals {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %t", name, killed), func(t *testing.T) {
				t.Parallel()
				w := newWithdrawal(t, killed)
				done(t, withdraw(t.Context(), w))
				w.end(t, killed)
			})
		}
	}
}

const (
	underWay = 2            // attempts at an endpoint at a time
	inHand   = 2 * underWay // of one endpoint's deliveries, those that a process has leased, at most
)

type withdrawal struct {
	client
	process       *process
	settings      []string
	gate          *gate
	app, endpoint string
	ids           []string // owed to the endpoint
	receiver      *receiver
	otherIDs      []string // owed to another application's
	other         *receiver
}

// newWithdrawal waits until attempts are under way. Only the leases of a process that is to be killed are
// short: without a kill nothing waits for them, and an attempt may take as long as a slow machine needs.
func newWithdrawal(t *testing.T, killed bool) *withdrawal {
	t.Helper()
	w := &withdrawal{gate: newGate(t)}
	w.settings = settings(newDatabase(t), fmt.Sprintf("POSTRIDER_ENDPOINT_CONCURRENCY=%d", underWay))
	if killed {
		w.settings = append(w.settings, "POSTRIDER_REQUEST_TIMEOUT=6s", "POSTRIDER_LEASE=9s")
	}
	w.process = start(t, w.settings, "serve")
	w.client = w.process.service(t).tenant(t)
	w.app, w.receiver = w.application(t), newReceiver(t, w.gate.answer)
	w.endpoint = w.receiver.endpoint(t, w.client, w.app)
	otherApp := w.application(t)
	w.other = newReceiver(t, w.gate.answer)
	w.other.endpoint(t, w.client, otherApp)
	for range 30 {
		w.ids = append(w.ids, w.message(t, w.app))
		w.otherIDs = append(w.otherIDs, w.message(t, otherApp))
	}
	w.gate.awaitHeld(t, 2*underWay)
	return w
}

// end lets all attempts finish, or kills the process in the midst of them and starts another.
func (w *withdrawal) end(t *testing.T, killed bool) {
	t.Helper()
	most := inHand
	if killed {
		most = len(w.receiver.all())
		w.process.kill()
		w.process = start(t, w.settings, "serve")
	}
	w.gate.open()
	w.other.await(t, w.otherIDs...)
	w.quiet(t)
	w.process.stop(t)
	if got := len(w.receiver.all()); got > most {
		t.Errorf("%d webhooks arrived, want no more than the %d that were in hand", got, most)
	}
	if duplicated, strange := w.receiver.counts(w.ids); duplicated+strange > 0 {
		t.Errorf("%d arrived more than once, and %d are of no message", duplicated, strange)
	}
	log := w.process.stdout.String()
	warnings := strings.Count(log, `"level":"WARN"`) - strings.Count(log, `"msg":"delivery dropped; nothing left to send"`)
	if strings.Contains(log, `"level":"ERROR"`) || warnings > most {
		t.Errorf("the process complains: %s", tail(log))
	}
}

// quiet wants what was in hand to come to an end.
func (w *withdrawal) quiet(t *testing.T) {
	t.Helper()
	last := -1
	await(t, func() string {
		before := last
		if last = len(w.receiver.all()); last != before {
			return "webhooks arrive"
		}
		return ""
	})
	never(t, "what was withdrawn is still sent", func() bool { return len(w.receiver.all()) > last })
}
