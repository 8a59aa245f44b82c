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
)

// Attempts that have no descriptor left are nobody's failures, and the API goes on.
func TestFewDescriptorsCostNoRetries(t *testing.T) {
	t.Parallel()
	limited := exec.Command("sh", "-c", `ulimit -n 64; exec "$0" "$@"`, binary, "serve")
	p := startCommand(t, limited, settings(newDatabase(t), "POSTRIDER_RETRY_SCHEDULE=100ms"))
	c := p.service(t).tenant(t)
	app := c.application(t)
	held := make(chan struct{})
	receivers := make([]*receiver, 12)
	for i := range receivers {
		receivers[i] = newReceiver(t, func(http.ResponseWriter, *http.Request, arrival) { <-held })
		receivers[i].endpoint(t, c, app)
	}
	ids := make([]string, 30)
	for i := range ids {
		ids[i] = c.message(t, app)
	}
	await(t, func() string { // as many attempts hang as there may be
		for _, r := range receivers {
			if len(r.all()) > 0 {
				return ""
			}
		}
		return "nothing has arrived"
	})
	for range 20 {
		newClient(t, c.url, c.token).call(t, http.StatusOK, http.MethodGet, "/api/v1/app/"+app, "")
	}
	close(held)
	for _, r := range receivers {
		r.await(t, ids...)
	}
	for _, id := range ids {
		for _, a := range c.attempts(t, app, id, len(receivers)) {
			if a.Status != models.MESSAGESTATUS_SUCCESS {
				t.Errorf("%+v", a)
			}
		}
	}
	if !strings.Contains(p.stdout.String(), "concurrency reduced") {
		t.Error("the log does not say that there is room for less")
	}
}

func TestTooFewDescriptorsAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	limited := exec.Command("sh", "-c", `ulimit -n 40; exec "$0" "$@"`, binary, "serve")
	p := startCommand(t, limited, settings(newDatabase(t)))
	if code := p.exitCode(t); code == 0 || !strings.Contains(p.stderr.String(), "the open file limit (ulimit -n) is 40, and at least") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
}

// The limit falls while the process runs, so that no plan of its own keeps it from being reached. It falls in
// the middle of a first attempt: what the test asks of the API before and after needs descriptors too.
func TestAttemptsWithoutADescriptorArePostponed(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=100ms")
	c := s.tenant(t)
	var before unix.Rlimit
	done(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	app, receiver := c.application(t), newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if a.nth > 1 {
			return
		}
		if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
			t.Error(err)
		}
		w.Header().Set("Connection", "close") // so that the retry needs a descriptor
		w.WriteHeader(http.StatusInternalServerError)
	})
	endpoint := receiver.endpoint(t, c, app)
	id := c.message(t, app)
	await(t, func() string {
		if !strings.Contains(p.stdout.String(), `"attempts postponed`) {
			return "the log tells of no trouble"
		}
		return ""
	})
	done(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil))
	await(t, func() string {
		if !strings.Contains(p.stdout.String(), `"attempts resumed`) {
			return "the log does not tell of the end of the trouble"
		}
		return ""
	})
	attempts := c.attempts(t, app, id, 2) // had the postponed one been a failure, the schedule would have ended with it
	if attempts[0].Status != models.MESSAGESTATUS_FAIL || attempts[1].Status != models.MESSAGESTATUS_SUCCESS {
		t.Errorf("%+v", attempts)
	}
	stats := must(c.Endpoint.GetStats(t.Context(), app, endpoint, &svix.EndpointGetStatsOptions{}))(t)
	if stats.Fail != 1 || stats.Success != 1 {
		t.Errorf("%+v", stats)
	}
}
