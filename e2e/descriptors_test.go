//go:build linux

package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
	"golang.org/x/sys/unix"

	"github.com/postrider/postrider/e2e/rig"
)

// TestDescriptorLimitCostsNoRetries checks that attempts for which no descriptor is left do not count as failures,
// and that the API keeps working.
func TestDescriptorLimitCostsNoRetries(t *testing.T) {
	t.Parallel()
	limited := exec.Command("sh", "-c", `ulimit -n 64; exec "$0" "$@"`, rig.Binary, "serve")
	p := rig.StartCommand(t, limited, rig.Settings(rig.NewDatabase(t), "POSTRIDER_RETRY_SCHEDULE=100ms"))
	c := p.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	held := make(chan struct{})
	receivers := make([]*rig.Receiver, 12)
	for i := range receivers {
		receivers[i] = rig.NewReceiver(t, func(_ http.ResponseWriter, r *http.Request, _ rig.Arrival) {
			select {
			case <-held:
			case <-r.Context().Done():
			}
		})
		receivers[i].NewEndpoint(t, c, app)
	}
	ids := make([]string, 30)
	for i := range ids {
		ids[i] = c.SendMessage(t, app)
	}
	rig.Await(t, func() string { // as many attempts hang as are allowed
		for _, r := range receivers {
			if len(r.All()) > 0 {
				return ""
			}
		}
		return "nothing has arrived"
	})
	for range 20 {
		rig.NewClient(t, c.URL, c.Token).Call(t, http.StatusOK, http.MethodGet, "/api/v1/app/"+app, "")
	}
	close(held)
	for _, r := range receivers {
		r.Await(t, ids...)
	}
	for _, id := range ids {
		for _, a := range c.AwaitAttempts(t, app, id, len(receivers)) {
			if a.Status != models.MESSAGESTATUS_SUCCESS {
				t.Errorf("%+v", a)
			}
		}
	}
	if !strings.Contains(p.Stdout.String(), "concurrency reduced") {
		t.Error("the log does not say that there is room for less")
	}
}

func TestDescriptorLimitTooLowIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	limited := exec.Command("sh", "-c", `ulimit -n 40; exec "$0" "$@"`, rig.Binary, "serve")
	p := rig.StartCommand(t, limited, rig.Settings(rig.NewDatabase(t)))
	if code := p.AwaitExit(t); code == 0 || !strings.Contains(p.Stderr.String(), "the open file limit (ulimit -n) is 40, and at least") {
		t.Errorf("exit code %d: %s", code, p.Stderr.String())
	}
}

// TestDescriptorShortagePostponesAttempts lowers the limit of a running process, so that the process cannot avoid
// reaching it. It does so during a first attempt, because the test's own API requests before and after need
// descriptors as well.
func TestDescriptorShortagePostponesAttempts(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=100ms")
	c := s.NewTenant(t)
	var before unix.Rlimit
	rig.NoError(t, unix.Prlimit(p.Cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth > 1 {
			return
		}
		if err := unix.Prlimit(p.Cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
			t.Error(err)
		}
		w.Header().Set("Connection", "close") // so that the retry needs a descriptor
		w.WriteHeader(http.StatusInternalServerError)
	})
	endpoint := receiver.NewEndpoint(t, c, app)
	id := c.SendMessage(t, app)
	rig.Await(t, func() string {
		if !strings.Contains(p.Stdout.String(), `"attempts postponed`) {
			return "the log tells of no trouble"
		}
		return ""
	})
	rig.NoError(t, unix.Prlimit(p.Cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil))
	rig.Await(t, func() string {
		if !strings.Contains(p.Stdout.String(), `"attempts resumed`) {
			return "the log does not tell of the end of the trouble"
		}
		return ""
	})
	attempts := c.AwaitAttempts(t, app, id, 2) // if the postponed attempt counted as a failure, no retry would be left
	if attempts[0].Status != models.MESSAGESTATUS_FAIL || attempts[1].Status != models.MESSAGESTATUS_SUCCESS {
		t.Errorf("%+v", attempts)
	}
	stats := rig.Must(c.Endpoint.GetStats(t.Context(), app, endpoint, &svix.EndpointGetStatsOptions{}))(t)
	if stats.Fail != 1 || stats.Success != 1 {
		t.Errorf("%+v", stats)
	}
}
