package delivery

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestStatusesOfHostileReceiversMakeFewSeries counts an answer with each number that a receiver may send.
func TestStatusesOfHostileReceiversMakeFewSeries(t *testing.T) {
	t.Parallel()
	o := observe(t, testConfig())
	for status := 100; status <= 999; status++ {
		for _, version := range []string{"1.1", "2"} {
			a := core.Attempt{ResponseStatusCode: int16(status), Status: core.StatusFail}
			if status/100 == 2 {
				a.Status = core.StatusSuccess
			}
			o.metrics.requested(t.Context(), outcome{Attempt: a, version: version})
			o.metrics.attempted(t.Context(), a, time.Now())
		}
	}
	registered := 0
	for status := range 1000 {
		if http.StatusText(status) != "" {
			registered++
		}
	}
	if n := len(o.points(t, "http.client.request.duration")); n > 2*(registered+1) {
		t.Errorf("%d series of durations, want two for each of %d registered statuses", n, registered)
	}
	if n := len(o.points(t, "postrider.delivery.attempts")); n != 9 {
		t.Errorf("%d series of attempts, want one for each of nine classes", n)
	}
	for status, want := range map[int]int{0: 0, 200: 200, 299: 200, 418: 418, 499: 400, 520: 500, 600: 500, 999: 500, 101: 101, 199: 500} {
		if got := countedStatus(status); got != want {
			t.Errorf("a %d counts as %d, want %d", status, got, want)
		}
	}
}

// TestMetricsNameTheApplicationOnlyIfWanted checks which metrics have the label.
func TestMetricsNameTheApplicationOnlyIfWanted(t *testing.T) {
	t.Parallel()
	works := answeringWith(t, http.StatusOK)
	for _, wanted := range []bool{false, true} {
		t.Run(fmt.Sprint(wanted), func(t *testing.T) {
			t.Parallel()
			config := testConfig()
			config.MeterApplications = wanted
			o := observe(t, config)
			o.send(t.Context(), testDelivery(works.URL))
			for _, name := range []string{"postrider.delivery.attempts", "postrider.delivery.duration", "postrider.end_to_end"} {
				if got := o.labels(t, name)["application"]; (got == "app_1") != wanted || got != "" && !wanted {
					t.Errorf("%s has the application %q", name, got)
				}
			}
			if got := o.labels(t, "http.client.request.duration")["application"]; got != "" {
				t.Errorf("the HTTP client's metric has the application %q", got)
			}
			if n := len(o.metrics.attemptLabels.made); (n == 0) != wanted {
				t.Errorf("%d sets of attributes are kept", n)
			}
		})
	}
}

// TestGaugesShowHowBusyTheProcessIs has four attempts in flight, the most that one endpoint may have here, and two waiting.
func TestGaugesShowHowBusyTheProcessIs(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	o := observe(t, testConfig())
	value := func(name string) int64 {
		for _, p := range o.points(t, name) {
			return p.value
		}
		return -1
	}
	if active, held, most := value("postrider.attempts.in_flight"), value("postrider.deliveries.held"), value("postrider.attempts.in_flight_max"); active != 0 || held != 0 || most != 8 {
		t.Errorf("an idle process has %d in flight of %d and holds %d", active, most, held)
	}
	room := o.Reserve(time.Now())
	deliveries := g.backlog(6, "a")
	for i := range deliveries {
		deliveries[i].LeasedUntil = room.LeasedUntil
	}
	o.Dispatch(room, deliveries)
	for range 4 {
		<-g.arrived
	}
	if active, held := value("postrider.attempts.in_flight"), value("postrider.deliveries.held"); active != 4 || held != 2 {
		t.Errorf("%d are in flight and %d are held, want 4 and 2", active, held)
	}
	close(g.open)
	for range 6 {
		<-o.queue.recorded
	}
	o.stop(time.Minute)
	if active, held := value("postrider.attempts.in_flight"), value("postrider.deliveries.held"); active != 0 || held != 0 {
		t.Errorf("%d are in flight and %d are held after a stop", active, held)
	}
}
