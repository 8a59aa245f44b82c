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
	if code := p.exitCode(t); code == 0 || !strings.Contains(p.stderr.String(), "at most 40 files may be open (ulimit -n), and at least") {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
}

// The limit falls while the process runs, so that no plan of its own keeps it from being reached.
func TestAttemptsWithoutADescriptorArePostponed(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=")
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	endpoint := receiver.endpoint(t, c, app)
	var before unix.Rlimit
	done(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	done(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil))
	id := c.message(t, app)
	await(t, func() string {
		if !strings.Contains(p.stdout.String(), "attempts postponed") {
			return "the log tells of no trouble"
		}
		return ""
	})
	if attempts := c.attempts(t, app, id, 0); len(attempts) != 0 {
		t.Errorf("%+v", attempts)
	}
	done(t, unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil))
	receiver.await(t, id)
	if attempts := c.attempts(t, app, id, 1); attempts[0].Status != models.MESSAGESTATUS_SUCCESS {
		t.Errorf("%+v", attempts)
	}
	stats := must(c.Endpoint.GetStats(t.Context(), app, endpoint, &svix.EndpointGetStatsOptions{}))(t)
	if stats.Fail != 0 || stats.Success != 1 {
		t.Errorf("%+v", stats)
	}
	await(t, func() string {
		if log := p.stdout.String(); !strings.Contains(log, "attempts resumed") || strings.Count(log, `"level":"ERROR"`) != 1 {
			return "the log does not have one ERROR line, and one about its end"
		}
		return ""
	})
}
