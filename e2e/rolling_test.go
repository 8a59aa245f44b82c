package e2e

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// longDelay is far longer than a test waits. A second signal ends it.
const longDelay = "POSTRIDER_STOP_DELAY=10m"

// TestRollingRestartFailsNoRequest restarts two API processes behind a balancer, one after the other, under load.
func TestRollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	rig.Start(t, rig.Settings(database), "worker").AwaitReady(t)
	b := rig.NewBalancer(t)
	launch := func() *rig.Process {
		p := rig.Start(t, rig.Settings(database, rig.OpsSetting, longDelay), "api")
		b.Add(t, p)
		return p
	}
	fleet := []*rig.Process{launch(), launch()}
	c := rig.Service{URL: b.URL, Settings: []string{rig.SecretSetting}}.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, app)
	const rate = 100
	l := rig.LoadAt(t, rate, c, app, 600*rate, rig.NewLead(receiver, 20*rate))
	l.Background(t)
	for range 2 {
		for i, old := range fleet {
			old.Terminate(t)
			rig.Await(t, func() string {
				if !b.IsQuiet(old) {
					return "the balancer sends to a process that was told to stop"
				}
				return ""
			})
			old.Stop(t)
			b.Remove(old)
			fleet[i] = launch()
		}
	}
	ids := l.Halt(t)
	receiver.Await(t, ids...)
	if duplicated, strange := receiver.Counts(ids); duplicated+strange > 0 {
		t.Errorf("of %d messages %d were delivered more than once, and %d were not answered", len(ids), duplicated, strange)
	}
	t.Logf("%d messages accepted and delivered in four restarts", len(ids))
}

// TestStopDelayAnswersOnEndingConnections uses a kept-alive connection during the stop delay, and ends the delay,
// which is far longer than a test waits, with a second signal.
func TestStopDelayAnswersOnEndingConnections(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, rig.OpsSetting, longDelay)
	c := s.NewTenant(t)
	app, url := c.NewApplication(t), p.OpsURL(t)
	kept := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	get := func() *http.Response {
		request := rig.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/app/"+app, nil))(t)
		request.Header.Set("Authorization", "Bearer "+c.Token)
		answer := rig.Must(kept.Do(request))(t)
		defer answer.Body.Close()
		rig.Must(io.Copy(io.Discard, answer.Body))(t)
		return answer
	}
	if answer := get(); answer.StatusCode != http.StatusOK || answer.Close {
		t.Fatalf("before: %d, close: %t", answer.StatusCode, answer.Close)
	}
	p.Terminate(t)
	rig.AwaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, "draining")
	for range 2 { // on the kept-alive connection and on a new one
		if answer := get(); answer.StatusCode != http.StatusOK || !answer.Close {
			t.Errorf("while it drains: %d, close: %t", answer.StatusCode, answer.Close)
		}
	}
	c.SendMessage(t, app)
	if p.HasEnded() {
		t.Fatal("it does not wait for the delay")
	}
	p.Stop(t)
	if _, err := net.Dial("tcp", rig.MustParseURL(s.URL).Host); err == nil {
		t.Error("it still listens")
	}
}
