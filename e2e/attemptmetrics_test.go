package e2e

import (
	"fmt"
	"net/http"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestMetricsOfAttemptsSayWhatIsWrong sends messages to endpoints that fail in different ways, with the label of the
// application on.
func TestMetricsOfAttemptsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := rig.Start(t, rig.Settings(rig.NewDatabase(t), rig.OpsSetting, "POSTRIDER_RETRY_SCHEDULE=", "POSTRIDER_METRICS_APPLICATION=true"), "serve")
	c := p.Service(t).NewTenant(t)
	app, gate := c.NewApplication(t), rig.NewGate(t)
	rig.NewReceiver(t, rig.AnswerStatus(http.StatusBadGateway)).NewEndpoint(t, c, app)
	rig.NewReceiver(t, rig.AnswerStatus(599)).NewEndpoint(t, c, app)
	rig.NewReceiver(t, gate.Answer).NewEndpoint(t, c, app)
	for _, url := range []string{"http://10.0.0.1/", "http://127.0.0.1:1/"} {
		rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url}, nil))(t)
	}
	c.SendMessage(t, app)
	gate.AwaitHeld(t, 1)
	url := p.OpsURL(t)
	const requests = "http_client_request_duration_seconds"
	type wanted struct {
		name   string
		labels []string
		value  float64
	}
	await := func(want ...wanted) {
		t.Helper()
		rig.Await(t, func() string {
			families := scrape(t, url)
			for _, w := range want {
				if got := sample(families, w.name, w.labels...); got != w.value {
					return fmt.Sprintf("%s%v is %v, want %v", w.name, w.labels, got, w.value)
				}
			}
			return ""
		})
	}
	await(
		wanted{"postrider_attempts_in_flight", nil, 1},
		wanted{"postrider_deliveries_held", nil, 0},
		wanted{requests, nil, 4},
		wanted{requests, []string{`http_response_status_code="502"`, `error_type="502"`, `network_protocol_version="1.1"`, `http_request_method="POST"`}, 1},
		wanted{requests, []string{`http_response_status_code="500"`, `error_type="500"`}, 1},
		wanted{requests, []string{`error_type="blocked_address"`}, 1},
		wanted{requests, []string{`error_type="connection_refused"`}, 1},
	)
	gate.Open()
	of := fmt.Sprintf("application=%q", app)
	await(
		wanted{"postrider_attempts_in_flight", nil, 0},
		wanted{requests, []string{`http_response_status_code="204"`}, 1},
		wanted{"postrider_messages_accepted_total", []string{of, `source="api"`}, 1},
		wanted{"postrider_delivery_attempts_total", []string{of, `outcome="failure"`, `status_class="none"`}, 2},
		wanted{"postrider_delivery_attempts_total", []string{of, `outcome="failure"`, `status_class="5xx"`}, 2},
		wanted{"postrider_delivery_duration_seconds", []string{of, `outcome="success"`}, 1},
		wanted{"postrider_end_to_end_seconds", []string{of}, 1},
	)
	if families := scrape(t, url); sample(families, "postrider_attempts_in_flight_max") < 1 || sample(families, requests, of) != 0 {
		t.Errorf("the most is %v, and %v requests have the application", sample(families, "postrider_attempts_in_flight_max"), sample(families, requests, of))
	}
}
