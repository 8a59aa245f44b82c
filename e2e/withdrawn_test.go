package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// withdrawals are the ways in which an endpoint's pending deliveries can be withdrawn.
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
		r, err := w.Do(ctx, http.MethodPost, "/api/v1/app/"+w.app+"/msg/bulk-expunge", body)
		if err == nil && r.Status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", r.Status, r.Body)
		}
		return err
	},
}

// TestDeliveryWithdrawnIsNotMade withdraws deliveries while some wait and some are in progress. Those in progress may
// arrive, as may those that the process starts before it learns of the withdrawal, each of them once; nothing more
// may. Other endpoints get all of theirs. If the process is killed at that moment, the attempts in progress are not
// repeated.
func TestDeliveryWithdrawnIsNotMade(t *testing.T) {
	t.Parallel()
	for name, withdraw := range withdrawals {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %t", name, killed), func(t *testing.T) {
				t.Parallel()
				w := newWithdrawal(t, killed)
				rig.NoError(t, withdraw(t.Context(), w))
				w.end(t, killed)
			})
		}
	}
}

const (
	underWay = 2            // maximum attempts at an endpoint at a time
	inHand   = 2 * underWay // maximum deliveries of an endpoint that a process has leased
)

type withdrawal struct {
	rig.Client
	process       *rig.Process
	settings      []string
	gate          *rig.Gate
	app, endpoint string
	ids           []string // owed to the endpoint
	receiver      *rig.Receiver
	otherIDs      []string // owed to another application's endpoint
	other         *rig.Receiver
}

// newWithdrawal waits until attempts are in progress. Leases are short only if the process is to be killed: otherwise
// nothing waits for them, and an attempt may take as long as a slow machine needs.
func newWithdrawal(t *testing.T, killed bool) *withdrawal {
	t.Helper()
	w := &withdrawal{gate: rig.NewGate(t)}
	w.settings = rig.Settings(rig.NewDatabase(t), fmt.Sprintf("POSTRIDER_ENDPOINT_CONCURRENCY=%d", underWay))
	if killed {
		w.settings = append(w.settings, "POSTRIDER_REQUEST_TIMEOUT=6s", "POSTRIDER_LEASE=9s")
	}
	w.process = rig.Start(t, w.settings, "serve")
	w.Client = w.process.Service(t).NewTenant(t)
	w.app, w.receiver = w.NewApplication(t), rig.NewReceiver(t, w.gate.Answer)
	w.endpoint = w.receiver.NewEndpoint(t, w.Client, w.app)
	otherApp := w.NewApplication(t)
	w.other = rig.NewReceiver(t, w.gate.Answer)
	w.other.NewEndpoint(t, w.Client, otherApp)
	w.ids, w.otherIDs = w.SendMessages(t, w.app, 30), w.SendMessages(t, otherApp, 30)
	w.gate.AwaitHeld(t, 2*underWay)
	return w
}

// end lets all attempts finish, or kills the process during them and starts another one.
func (w *withdrawal) end(t *testing.T, killed bool) {
	t.Helper()
	most := inHand
	if killed {
		most = len(w.receiver.All())
		w.process.Kill()
		w.process = rig.Start(t, w.settings, "serve")
	}
	w.gate.Open()
	w.other.Await(t, w.otherIDs...)
	w.quiet(t)
	w.process.Stop(t)
	if got := len(w.receiver.All()); got > most {
		t.Errorf("%d webhooks arrived, want no more than the %d that were in hand", got, most)
	}
	if duplicated, strange := w.receiver.Counts(w.ids); duplicated+strange > 0 {
		t.Errorf("%d arrived more than once, and %d are of no message", duplicated, strange)
	}
	log := w.process.Stdout.String()
	warnings := strings.Count(log, `"level":"WARN"`) - strings.Count(log, `"msg":"delivery dropped; nothing left to send"`)
	if strings.Contains(log, `"level":"ERROR"`) || warnings > most {
		t.Errorf("the process complains: %s", rig.Tail(log))
	}
}

// quiet waits until leased deliveries are done, and fails if more arrive afterwards.
func (w *withdrawal) quiet(t *testing.T) {
	t.Helper()
	last := -1
	rig.Await(t, func() string {
		before := last
		if last = len(w.receiver.All()); last != before {
			return "webhooks arrive"
		}
		return ""
	})
	rig.Never(t, "what was withdrawn is still sent", func() bool { return len(w.receiver.All()) > last })
}
